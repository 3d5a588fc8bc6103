/* QR codes of half blocks: two modules a character, dark on light whatever the terminal's
 * colours, with the quiet zone that scanners need. */
#include "print.h"

#include <qrencode.h>

#define QUIET 2

static bool dark(const QRcode *q, int x, int y)
{
    return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1) != 0;
}

void print_qr(struct buf *out, const char *text)
{
    QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (!q)
        return;
    for (int y = -QUIET; y < q->width + QUIET; y += 2) {
        buf_str(out, "\033[30;47m");
        for (int x = -QUIET; x < q->width + QUIET; x++) {
            bool up = dark(q, x, y), down = dark(q, x, y + 1);
            buf_str(out, up && down ? "\u2588" : up ? "\u2580" : down ? "\u2584" : " ");
        }
        buf_str(out, "\033[0m\n");
    }
    QRcode_free(q);
}
