/* The complete table of labels (RECORDS.md section 1): ASCII, zero-padded to 16 bytes.
 * Every hash, MAC, KDF info and signature input starts with its own. */
#ifndef BASE_LABEL_H
#define BASE_LABEL_H

#include "base/bytes.h"

#define LABEL_SIZE 16

enum label {
    LABEL_DEV,
    LABEL_ACCT,
    LABEL_MHASH,
    LABEL_MANIFEST,
    LABEL_JOIN,
    LABEL_RECOVERY,
    LABEL_BUNDLE,
    LABEL_PREKEY,
    LABEL_T0,
    LABEL_T,
    LABEL_SID,
    LABEL_INIT,
    LABEL_STEP,
    LABEL_MK,
    LABEL_CK,
    LABEL_MSG,
    LABEL_TAG,
    LABEL_CONTENT,
    LABEL_LEAF,
    LABEL_FANOUT,
    LABEL_SEEN,
    LABEL_SLOT,
    LABEL_EPOCH,
    LABEL_CONT,
    LABEL_ROLL,
    LABEL_LINK,
    LABEL_LINK_ID,
    LABEL_LINK_KEY,
    LABEL_LINK_TAG,
    LABEL_SAS,
    LABEL_SAFETY,
    LABEL_GID,
    LABEL_GHASH,
    LABEL_GROUP,
    LABEL_BLOB,
    LABEL_BLOBTAG,
    LABEL_BLOBSUM,
    LABEL_LOG,
    LABEL_KT_IDX,
    LABEL_KT_VAL,
    LABEL_KT_CKPT,
    LABEL_KT_ROT,
    LABEL_KT_GEN,
    LABEL_KT_COSIG,
    LABEL_COUNT,
};

/* The 16 bytes of a label; static. */
struct bytes label_bytes(enum label l);

#endif
