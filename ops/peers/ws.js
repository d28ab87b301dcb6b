// Fan-out as people build it with node, ws and node-redis: POST /pub/<name> publishes to Redis, WebSockets on /sub/<name>
// get what is published. One process; perMessageDeflate off, as ws advises. For ops/bench.
const http = require("http")
const { WebSocketServer } = require("ws")
const { createClient } = require("redis")

async function main() {
  const publisher = createClient({ url: process.argv[2] })
  const subscriber = publisher.duplicate()
  await publisher.connect()
  await subscriber.connect()
  const rooms = new Map()
  const server = http.createServer((request, response) => {
    let body = ""
    request.on("data", piece => (body += piece))
    request.on("end", async () => {
      await publisher.publish(request.url.slice(5), body)
      response.writeHead(200, { "Content-Length": 2 })
      response.end("ok")
    })
  })
  server.keepAliveTimeout = 60000
  new WebSocketServer({ server, perMessageDeflate: false }).on("connection", async (socket, request) => {
    const name = request.url.slice(5)
    if (!rooms.has(name)) {
      const room = new Set()
      rooms.set(name, room)
      await subscriber.subscribe(name, message => {
        for (const member of room) member.send(message)
      })
    }
    rooms.get(name).add(socket)
    socket.on("close", () => rooms.get(name).delete(socket))
  })
  server.listen(Number(process.argv[3]), "127.0.0.1", () => console.log("listens"))
}

main()
