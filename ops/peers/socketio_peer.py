"""Fan-out as people build it with python-socketio, its Redis manager and uvicorn: POST /pub/<name> emits to a room, a
WebSocket on /sub/<name> is a client in that room. One process on uvloop and httptools. For ops/bench.

Clients here only listen, so what each would send by itself is added on its way in: the query of the transport, and the
packet that connects it to the namespace."""
import json
import sys

import socketio
import uvicorn

manager = socketio.AsyncRedisManager(sys.argv[1])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, cors_allowed_origins="*", ping_interval=3600)
transport = socketio.ASGIApp(server, socketio_path="sub")


@server.event
async def connect(client, environment):
    await server.enter_room(client, environment["QUERY_STRING"].rsplit("=", 1)[1])


async def publish(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    await server.emit("message", json.loads(body), room=scope["path"][5:])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"].startswith("/pub/"):
        return await publish(scope, receive, send)
    if scope["type"] != "websocket":
        return await transport(scope, receive, send)
    scope = {**scope, "query_string": b"EIO=4&transport=websocket&room=" + scope["path"][5:].encode()}
    received = 0

    async def receive_packets():
        nonlocal received
        received += 1
        return {"type": "websocket.receive", "text": "40"} if received == 2 else await receive()

    return await transport(scope, receive_packets, send)


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, timeout_keep_alive=60,
            ws_per_message_deflate=False, lifespan="off")
