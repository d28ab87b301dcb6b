"""Fan-out as people build it with sse-starlette, redis-py and uvicorn: POST /pub/<name> publishes to Redis, /sub/<name>
streams what is published as Server-Sent Events. One process on uvloop and httptools. For ops/bench."""
import asyncio
import sys

import redis.asyncio
import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

client = redis.asyncio.Redis.from_url(sys.argv[1])
rooms = {}


async def listen(name, room):
    async with client.pubsub() as pubsub:
        await pubsub.subscribe(name)
        async for message in pubsub.listen():
            if message["type"] == "message":
                for queue in room:
                    queue.put_nowait(message["data"].decode())


async def publish(request):
    await client.publish(request.path_params["name"], await request.body())
    return Response("ok")


async def subscribe(request):
    name = request.path_params["name"]
    if name not in rooms:
        rooms[name] = set()
        asyncio.create_task(listen(name, rooms[name]))
    queue = asyncio.Queue()
    rooms[name].add(queue)

    async def events():
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            rooms[name].discard(queue)

    return EventSourceResponse(events(), ping=3600)


app = Starlette(routes=[Route("/pub/{name}", publish, methods=["POST"]), Route("/sub/{name}", subscribe)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False, timeout_keep_alive=60)
