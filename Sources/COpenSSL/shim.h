/* OpenSSL 3: digests, HMAC, signatures and TLS. The functions stand for macros, which Swift cannot call. */
#ifndef SOJOURN_COPENSSL_H
#define SOJOURN_COPENSSL_H
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/* TLS 1.2 or newer; buffers of idle connections are given back; a write may be retried from a moved buffer. */
static inline int sojourn_ssl_prepare(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/* Trusts the loaded certificates themselves, not only what they have signed. */
static inline void sojourn_ssl_trust_exactly(SSL_CTX *context) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
}

static inline int sojourn_ssl_name_server(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

/* Chooses http/1.1 of what a client offers. One that offers only other protocols is refused (RFC 7301 section 3.2). */
static inline int sojourn_ssl_choose_http11(
    const unsigned char **chosen, unsigned char *length, const unsigned char *offered, unsigned int offered_length) {
    unsigned int at = 0;
    while (at < offered_length) {
        unsigned int size = offered[at];
        if (at + 1 + size > offered_length) break;
        if (size == 8 && memcmp(offered + at + 1, "http/1.1", 8) == 0) {
            *chosen = offered + at + 1;
            *length = 8;
            return SSL_TLSEXT_ERR_OK;
        }
        at += 1 + size;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}
#endif
