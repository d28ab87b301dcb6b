/* libevent: the loop, bufferevents and evhttp. http_struct.h stays out, so that requests are opaque to Swift.
   The system headers come first: the same feature macros must hold for them here and in Swift's Glibc. */
#ifndef SOJOURN_CEVENT_H
#define SOJOURN_CEVENT_H
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#endif
