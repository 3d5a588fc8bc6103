/* A server that sends what brings nothing, for ever. */
#include "client/internal.h"

uint64_t client_useless(const struct client *c) { return c->useless; }

wax_rc client_flooded(struct client *c)
{
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    struct item a = alert_make(c, "server_refused", WAX_R_PARSE, c->handle, &c->keys.dev,
                               "the server floods this device with what says nothing; the "
                               "connection was ended");
    rc = vault_finish(c->env.vault, event_put_alert(c, &a));
    client_say(c, "the server floods this device with what says nothing");
    return rc == WAX_OK ? WAX_E_PROTO : rc;
}
