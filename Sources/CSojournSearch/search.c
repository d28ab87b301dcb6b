#include "sojourn_search.h"
#include <string.h>

/* An instance of the tokenizer: it hands everything that has spaces to SQLite's own. */
struct tokenizer {
    fts5_tokenizer words;
    Fts5Tokenizer *instance;
};

/* What the inner tokenizer's tokens pass through. */
struct relay {
    void *context;
    int (*token)(void *, int, const char *, int, int, int);
    int offset; /* where the inner tokenizer's text begins in the whole */
};

/* The range of code points that are written without spaces, or of Korean, whose words are compounds. */
int sojourn_search_is_dense(uint32_t c) {
    return (c >= 0x0E00 && c <= 0x0EFF)      /* Thai, Lao */
        || (c >= 0x1000 && c <= 0x11FF)      /* Burmese, Hangul letters */
        || (c >= 0x1780 && c <= 0x17FF)      /* Khmer */
        || (c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x318F) /* kana, Bopomofo, Hangul letters */
        || (c >= 0x31F0 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF)
        || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF66 && c <= 0xFF9F)
        || (c >= 0x20000 && c <= 0x3FFFF);
}

/* One code point of text that may be broken; *length is at least 1 and never leads past the end. */
static uint32_t decode(const unsigned char *text, int left, int *length) {
    uint32_t c = text[0];
    int n = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n > left) n = left;
    *length = n;
    if (n == 1) return c;
    c &= n == 2 ? 0x1F : n == 3 ? 0x0F : 0x07;
    for (int i = 1; i < n; i++) c = c << 6 | (text[i] & 0x3F);
    return c;
}

static int relay_token(void *context, int flags, const char *token, int count, int start, int end) {
    struct relay *relay = context;
    return relay->token(relay->context, flags, token, count, start + relay->offset, end + relay->offset);
}

static int create(void *api, const char **arguments, int count, Fts5Tokenizer **out) {
    static const char *options[] = {"remove_diacritics", "2"};
    void *context;
    struct tokenizer *made = sqlite3_malloc(sizeof *made);
    (void)arguments;
    (void)count;
    if (!made) return SQLITE_NOMEM;
    int result = ((fts5_api *)api)->xFindTokenizer(api, "unicode61", &context, &made->words);
    if (result == SQLITE_OK) result = made->words.xCreate(context, options, 2, &made->instance);
    if (result != SQLITE_OK) {
        sqlite3_free(made);
        return result;
    }
    *out = (Fts5Tokenizer *)made;
    return SQLITE_OK;
}

static void destroy(Fts5Tokenizer *instance) {
    struct tokenizer *this = (struct tokenizer *)instance;
    this->words.xDelete(this->instance);
    sqlite3_free(this);
}

/* The pairs of a run of dense characters. Its last character also stands alone, at the place of the last pair, so that
 * a search for one character, which is one for all tokens that begin with it, finds it there too. */
static int pairs(struct relay *out, int flags, const char *text, int start, int end) {
    int before = -1, at = start, count = 0;
    while (at < end) {
        int length;
        decode((const unsigned char *)text + at, end - at, &length);
        if (before >= 0) {
            int result = out->token(out->context, 0, text + before, at + length - before, before, at + length);
            if (result != SQLITE_OK) return result;
        }
        before = at;
        at += length;
        count++;
    }
    if (count > 1 && (flags & FTS5_TOKENIZE_QUERY)) return SQLITE_OK;
    return out->token(
        out->context, count > 1 ? FTS5_TOKEN_COLOCATED : 0, text + before, end - before, before, end);
}

static int tokenize(
    Fts5Tokenizer *instance, void *context, int flags, const char *text, int size,
    int (*token)(void *, int, const char *, int, int, int)) {
    struct tokenizer *this = (struct tokenizer *)instance;
    struct relay relay = {context, token, 0};
    int at = 0, start = 0;
    while (at < size) {
        /* All dense characters have three bytes or more. */
        if ((unsigned char)text[at] < 0xE0) {
            at++;
            continue;
        }
        int length;
        if (!sojourn_search_is_dense(decode((const unsigned char *)text + at, size - at, &length))) {
            at += length;
            continue;
        }
        if (at > start) {
            relay.offset = start;
            int result =
                this->words.xTokenize(this->instance, &relay, flags, text + start, at - start, relay_token);
            if (result != SQLITE_OK) return result;
        }
        int end = at + length;
        while (end < size && sojourn_search_is_dense(decode((const unsigned char *)text + end, size - end, &length))) end += length;
        int result = pairs(&relay, flags, text, at, end);
        if (result != SQLITE_OK) return result;
        at = start = end;
    }
    if (start == 0) return this->words.xTokenize(this->instance, context, flags, text, size, token);
    if (start == size) return SQLITE_OK;
    relay.offset = start;
    return this->words.xTokenize(this->instance, &relay, flags, text + start, size - start, relay_token);
}

static void counts(
    const Fts5ExtensionApi *api, Fts5Context *row, sqlite3_context *context, int argc, sqlite3_value **argv) {
    enum { most = 128 };
    int32_t numbers[most + 1] = {0};
    int phrases = api->xPhraseCount(row), hits = 0, size = 0;
    (void)argc;
    (void)argv;
    if (phrases > most) phrases = most;
    int result = api->xColumnSize(row, 0, &size);
    if (result == SQLITE_OK) result = api->xInstCount(row, &hits);
    for (int i = 0; result == SQLITE_OK && i < hits; i++) {
        int phrase, column, offset;
        result = api->xInst(row, i, &phrase, &column, &offset);
        if (result == SQLITE_OK && column == 0 && phrase < phrases) numbers[phrase + 1]++;
    }
    if (result != SQLITE_OK) {
        sqlite3_result_error_code(context, result);
        return;
    }
    numbers[0] = size;
    sqlite3_result_blob(context, numbers, (phrases + 1) * (int)sizeof numbers[0], SQLITE_TRANSIENT);
}

int sojourn_search_register(sqlite3 *db) {
    fts5_api *api = 0;
    sqlite3_stmt *statement = 0;
    int result = sqlite3_prepare_v2(db, "SELECT fts5(?)", -1, &statement, 0);
    if (result != SQLITE_OK) return result;
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", 0);
    sqlite3_step(statement);
    result = sqlite3_finalize(statement);
    if (result != SQLITE_OK) return result;
    if (!api) return SQLITE_ERROR;
    fts5_tokenizer ours = {create, destroy, tokenize};
    result = api->xCreateTokenizer(api, "sojourn", api, &ours, 0);
    if (result != SQLITE_OK) return result;
    return api->xCreateFunction(api, "sojourn_counts", 0, counts, 0);
}
