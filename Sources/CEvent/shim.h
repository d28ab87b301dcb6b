/* libevent: the loop, bufferevents and evhttp. http_struct.h stays out, so that requests are opaque to Swift.
   The system headers come first: the same feature macros must hold for them here and in Swift's Glibc. */
#ifndef SOJOURN_CEVENT_H
#define SOJOURN_CEVENT_H
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/util.h>

/* prctl is variadic, which Swift cannot call. */
static inline void sojourn_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0L, 0L, 0L); }

/* evhttp asks getnameinfo for the name of each peer. For a unix socket that reads what accept has left unwritten, and
   ends the process when the name that a peer gave itself is long. So such connections are accepted by a callback of
   ours, which hands them on under another address; but libevent tells nobody which callback evhttp has set. It is read
   from the place where one of ours stood before. */
static inline void sojourn_no_connection(
    struct evconnlistener *listener, evutil_socket_t descriptor, struct sockaddr *address, int length, void *context) {
    (void)listener, (void)address, (void)length, (void)context;
    evutil_closesocket(descriptor);
}

/* As evhttp_bind_listener; tells the callback that evhttp has set. NULL when libevent is not as it was known. */
static inline struct evhttp_bound_socket *sojourn_bind_listener(
    struct evhttp *http, struct evconnlistener *listener, evconnlistener_cb *accepted) {
    /* The callback is among the first five words, which every listener has. */
    evconnlistener_cb words[5];
    int place = -1;
    evconnlistener_set_cb(listener, sojourn_no_connection, NULL);
    memcpy(words, listener, sizeof words);
    for (int i = 0; i < 5; i++)
        if (words[i] == sojourn_no_connection) place = i;
    if (place < 0) return NULL;
    struct evhttp_bound_socket *bound = evhttp_bind_listener(http, listener);
    if (!bound) return NULL;
    memcpy(words, listener, sizeof words);
    *accepted = words[place];
    return bound;
}
#endif
