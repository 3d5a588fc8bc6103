/* What the two sides of the box say to each other; both are of one build.
 *
 * The helper, once it is confined:  "WXB1" ‖ u8 version of Landlock, 0: none ‖ 000000
 * A question:                       u8 kind ‖ u32 length ‖ bytes
 * Its answer:                       u8 verdict ‖ u32 length ‖ record (none when refused) */
#ifndef BOX_TALK_H
#define BOX_TALK_H

#include "wire/content_record.h"

#define BOX_HELLO "WXB1"
#define BOX_HELLO_SIZE 8
#define BOX_HEAD 5

enum box_kind { BOX_CONTENT = 1 };
enum box_verdict { BOX_TAKEN = 0, BOX_REFUSED = 1 };

#endif
