/* OpenSSL 3: digests now; TLS, HMAC and signatures with the issue that needs them. */
#ifndef SOJOURN_COPENSSL_H
#define SOJOURN_COPENSSL_H
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#endif
