/* The bodies of proto/api.proto in the order that seeds and target number them. */
#ifndef TESTS_FUZZ_API_H
#define TESTS_FUZZ_API_H

#include "wire/proto.h"

static const ProtobufCMessageDescriptor *const api_types[] = {
    &wax__v1__register_request__descriptor, &wax__v1__register_reply__descriptor,
    &wax__v1__directory_reply__descriptor,  &wax__v1__update_request__descriptor,
    &wax__v1__update_reply__descriptor,     &wax__v1__daily_request__descriptor,
    &wax__v1__daily_reply__descriptor,      &wax__v1__bundle_request__descriptor,
    &wax__v1__send_request__descriptor,     &wax__v1__send_reply__descriptor,
    &wax__v1__send_conflict__descriptor,    &wax__v1__ack_request__descriptor,
    &wax__v1__blob_request__descriptor,     &wax__v1__blob_reply__descriptor,
    &wax__v1__checkpoint_reply__descriptor, &wax__v1__proof_reply__descriptor,
    &wax__v1__updates_reply__descriptor,    &wax__v1__link_post__descriptor,
    &wax__v1__link_reply__descriptor,
};
#define API_TYPES (sizeof api_types / sizeof *api_types)

#endif
