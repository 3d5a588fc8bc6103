/* Hostile clients by the hundred: the floods that `./dev bench` measures, each once. */
#include "siege.h"

static int start(void **state) { return siege_start(state, 0); }

#define FLOOD(name, fn)                                                                            \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct siege *s = *state;                                                                  \
        assert_true(fn(&s->site));                                                                 \
        newcomer_is_served(s);                                                                     \
    }

FLOOD(a_thousand_connections_that_say_nothing_keep_nobody_out, flood_half_open_tcp)
FLOOD(hundreds_of_handshakes_that_are_never_finished_keep_nobody_out, flood_half_open_tls)
FLOOD(connections_without_http_keep_nobody_out, flood_half_open_h2)
FLOOD(a_storm_of_reconnects_is_served_and_leaves_nothing, flood_reconnects)
FLOOD(a_flood_of_pings_ends_the_connection, flood_pings)
FLOOD(a_flood_of_settings_ends_the_connection, flood_settings_frames)
FLOOD(a_flood_of_empty_data_ends_the_connection, flood_empty_data)
FLOOD(requests_reset_as_fast_as_made_end_the_connection, flood_resets)
FLOOD(a_header_block_without_end_ends_the_connection, flood_more_headers)
FLOOD(headers_that_unpack_to_megabytes_are_refused, flood_header_bombs)
FLOOD(a_window_opened_byte_by_byte_ends_the_connection, flood_window_dribble)
FLOOD(bodies_that_do_not_end_share_a_bounded_memory, flood_uploads)
FLOOD(requests_of_nobody_are_refused_then_slowed_down, flood_strangers)
FLOOD(handles_tried_one_after_the_other_are_slowed_down, flood_lookups)
FLOOD(bodies_that_are_no_records_are_refused_one_by_one, flood_garbage)
FLOOD(a_mailbox_that_is_flooded_is_full_and_others_are_not, flood_messages)
FLOOD(answers_that_nobody_takes_are_not_piled_up, flood_unread_answers)
FLOOD(a_device_has_many_streams_but_not_any_number, flood_streams)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        UNDER_SIEGE(a_thousand_connections_that_say_nothing_keep_nobody_out),
        UNDER_SIEGE(hundreds_of_handshakes_that_are_never_finished_keep_nobody_out),
        UNDER_SIEGE(connections_without_http_keep_nobody_out),
        UNDER_SIEGE(a_storm_of_reconnects_is_served_and_leaves_nothing),
        UNDER_SIEGE(a_flood_of_pings_ends_the_connection),
        UNDER_SIEGE(a_flood_of_settings_ends_the_connection),
        UNDER_SIEGE(a_flood_of_empty_data_ends_the_connection),
        UNDER_SIEGE(requests_reset_as_fast_as_made_end_the_connection),
        UNDER_SIEGE(a_header_block_without_end_ends_the_connection),
        UNDER_SIEGE(headers_that_unpack_to_megabytes_are_refused),
        UNDER_SIEGE(a_window_opened_byte_by_byte_ends_the_connection),
        UNDER_SIEGE(bodies_that_do_not_end_share_a_bounded_memory),
        UNDER_SIEGE(requests_of_nobody_are_refused_then_slowed_down),
        UNDER_SIEGE(handles_tried_one_after_the_other_are_slowed_down),
        UNDER_SIEGE(bodies_that_are_no_records_are_refused_one_by_one),
        UNDER_SIEGE(a_mailbox_that_is_flooded_is_full_and_others_are_not),
        UNDER_SIEGE(answers_that_nobody_takes_are_not_piled_up),
        UNDER_SIEGE(a_device_has_many_streams_but_not_any_number),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("hostile clients: floods", tests, start, siege_stop);
}
