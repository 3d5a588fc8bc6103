#include "net/chain.h"

#include <curl/curl.h>

#define CHAIN_TIMEOUT_MS 10000L
#define CHAIN_MAX 65536

static bool is_cert(const char *line) { return strncmp(line, "Cert:", 5) == 0; }

static wax_rc collect(CURL *h, struct buf *ret)
{
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(h, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs < 1)
        return WAX_E_TLS;
    for (int i = 0; i < info->num_of_certs; i++)
        for (struct curl_slist *s = info->certinfo[i]; s; s = s->next)
            if (is_cert(s->data)) {
                buf_str(ret, s->data + 5);
                buf_str(ret, "\n");
            }
    if (buf_rc(ret) == WAX_OK && ret->n > CHAIN_MAX)
        return WAX_E_TOOBIG;
    return buf_rc(ret);
}

static bool set_up(CURL *h, const char *url, char *message)
{
    /* Not checked here on purpose: the caller compares the CA with the hash it was told. */
    return curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, CHAIN_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_ERRORBUFFER, message) == CURLE_OK;
}

wax_rc net_fetch_chain(const char *url, struct buf *ret_pem, struct buf *error)
{
    char message[CURL_ERROR_SIZE] = "";
    CURL *h = curl_easy_init();
    wax_rc rc = h && set_up(h, url, message) ? WAX_OK : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        CURLcode cc = curl_easy_perform(h);
        if (cc == CURLE_OPERATION_TIMEDOUT)
            rc = WAX_E_TIMEOUT;
        else if (cc == CURLE_SSL_CONNECT_ERROR)
            rc = WAX_E_TLS;
        else if (cc != CURLE_OK)
            rc = WAX_E_NET;
        else
            rc = collect(h, ret_pem);
        if (cc != CURLE_OK) {
            buf_reset(error);
            buf_str(error, message[0] ? message : curl_easy_strerror(cc));
        }
    }
    curl_easy_cleanup(h);
    return rc;
}
