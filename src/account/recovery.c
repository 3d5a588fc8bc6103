#include "account/recovery.h"

#include "account/bip39_english.h"
#include "base/mem.h"

#define WORD_BITS 11
#define SHORTEST_PREFIX 4

wax_rc recovery_key(const uint8_t entropy[RECOVERY_ENTROPY], struct ec_key **ret)
{
    static const uint8_t zero[32];
    struct key32 prk, scalar;
    wax_rc rc = hkdf_extract(&prk, BYTES_OF(zero), PARTS(BYTES(entropy, RECOVERY_ENTROPY)));
    wax_rc tried = WAX_E_INVAL;

    /* A block outside 1 … n−1 comes once in 2^32: the next one then. */
    for (unsigned i = 0; rc == WAX_OK && tried == WAX_E_INVAL && i < 256; i++) {
        const uint8_t index = (uint8_t)i;

        rc = hkdf_expand_label(BYTES_OF(prk.b), LABEL_RECOVERY, PARTS(BYTES(&index, 1)), scalar.b,
                               sizeof(scalar.b));
        if (rc == WAX_OK)
            tried = ec_from_scalar(&scalar, ret);
    }
    if (rc == WAX_OK)
        rc = tried == WAX_E_INVAL ? WAX_E_CRYPTO : tried;
    mem_wipe(&prk, sizeof(prk));
    mem_wipe(&scalar, sizeof(scalar));
    return rc;
}

/* BIP-39: the checksum of 128 bits is the first 4 bits of their SHA-256. */
static wax_rc checksum(const uint8_t entropy[RECOVERY_ENTROPY], uint8_t *ret)
{
    struct hash32 h;
    wax_rc rc = hash_raw(&h, PARTS(BYTES(entropy, RECOVERY_ENTROPY)));

    if (rc == WAX_OK)
        *ret = h.b[0] & 0xf0;
    mem_wipe(&h, sizeof(h));
    return rc;
}

/* The i-th 11 bits of entropy ‖ checksum. */
static unsigned word_index(const uint8_t bits[RECOVERY_ENTROPY + 1], unsigned i)
{
    unsigned index = 0;

    for (unsigned b = i * WORD_BITS; b < (i + 1) * WORD_BITS; b++)
        index = index << 1 | (bits[b / 8] >> (7 - b % 8) & 1U);
    return index;
}

wax_rc recovery_words(const uint8_t entropy[RECOVERY_ENTROPY], struct buf *out)
{
    uint8_t bits[RECOVERY_ENTROPY + 1];
    wax_rc rc = checksum(entropy, &bits[RECOVERY_ENTROPY]);

    if (rc == WAX_OK) {
        memcpy(bits, entropy, RECOVERY_ENTROPY);
        for (unsigned i = 0; i < RECOVERY_WORDS; i++) {
            if (i > 0)
                buf_str(out, " ");
            buf_str(out, bip39_english[word_index(bits, i)]);
        }
        rc = buf_rc(out);
    }
    mem_wipe(bits, sizeof(bits));
    return rc;
}

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* One word as typed, folded; n over BIP39_WORD_MAX: some longer thing. */
struct typed {
    char s[BIP39_WORD_MAX + 1];
    size_t n;
};

/* Takes the next word off *in; false at the end. */
static bool next_word(struct bytes *in, struct typed *w)
{
    while (in->n > 0 && is_space(*in->p)) {
        in->p++;
        in->n--;
    }
    memset(w, 0, sizeof(*w));
    while (in->n > 0 && !is_space(*in->p)) {
        uint8_t c = *in->p;

        if (w->n < BIP39_WORD_MAX)
            w->s[w->n] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        w->n++;
        in->p++;
        in->n--;
    }
    return w->n > 0;
}

/* Index in the list, or -1. Scans it all: no early end tells where a word stands. */
static int find_word(const struct typed *w)
{
    int found = -1;

    if (w->n > BIP39_WORD_MAX)
        return -1;
    for (int i = 0; i < BIP39_WORDS; i++) {
        size_t n = strlen(bip39_english[i]);
        bool full = n == w->n;
        bool prefix = w->n >= SHORTEST_PREFIX && w->n < n;

        if ((full || prefix) && memcmp(bip39_english[i], w->s, w->n) == 0)
            found = i;
    }
    return found;
}

static void put_index(uint8_t bits[RECOVERY_ENTROPY + 1], unsigned i, unsigned index)
{
    for (unsigned k = 0; k < WORD_BITS; k++) {
        unsigned b = i * WORD_BITS + k;

        bits[b / 8] |= (uint8_t)((index >> (WORD_BITS - 1 - k) & 1U) << (7 - b % 8));
    }
}

static struct words_error read_words(struct bytes text, uint8_t bits[RECOVERY_ENTROPY + 1])
{
    struct words_error e = {WORDS_OK, 0};
    struct typed w;
    unsigned n = 0;

    while (next_word(&text, &w)) {
        int index = find_word(&w);

        n++;
        if (e.fault == WORDS_OK && index < 0)
            e = (struct words_error){WORDS_UNKNOWN, n};
        if (e.fault == WORDS_OK && n <= RECOVERY_WORDS)
            put_index(bits, n - 1, (unsigned)index);
    }
    if (n != RECOVERY_WORDS)
        e = (struct words_error){WORDS_COUNT, n};
    mem_wipe(&w, sizeof(w));
    return e;
}

wax_rc recovery_parse(struct bytes text, uint8_t ret[RECOVERY_ENTROPY], struct words_error *err)
{
    uint8_t bits[RECOVERY_ENTROPY + 1] = {0};
    uint8_t sum = 0;
    struct words_error e = read_words(text, bits);
    wax_rc rc = e.fault == WORDS_OK ? checksum(bits, &sum) : WAX_R_PARSE;

    if (rc == WAX_OK && sum != bits[RECOVERY_ENTROPY]) {
        e.fault = WORDS_CHECKSUM;
        rc = WAX_R_PARSE;
    }
    if (rc == WAX_OK)
        memcpy(ret, bits, RECOVERY_ENTROPY);
    if (err != NULL)
        *err = e;
    mem_wipe(bits, sizeof(bits));
    return rc;
}
