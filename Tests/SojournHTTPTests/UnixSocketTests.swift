import Foundation
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct UnixSocketTests {
    private static let get = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"

    /// Servers on loops of their own, which listen on one socket and answer with their number and the client's address.
    private func withServers(_ count: Int, on path: String, _ body: (UnixSocket) async throws -> Void) async throws {
        let socket = try UnixSocket(path: path)
        var parts: [(loop: EventLoop, server: Confined<HTTPServer>)] = []
        for number in 0..<count {
            let loop = EventLoop(name: "unix \(number)")
            let server = try await loop.run {
                let server = HTTPServer(loop: loop) {
                    $0.respond(status: 200, body: Array("\(number) \($0.remoteAddress)".utf8))
                }
                try server.listen(socket)
                return Confined(server, to: loop)
            }
            parts.append((loop, server))
        }
        defer { socket.remove() }
        try await body(socket)
        for (loop, server) in parts {
            try await loop.run { server.value.close() }
            loop.stop()
        }
    }

    private func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    @Test func `several loops serve one socket, and say where their clients come from`() async throws {
        let folder = TemporaryFolder()
        try await self.withServers(2, on: folder.file("http.sock")) { socket in
            let clients = try (0..<60).map { _ in try RawHTTP(unix: socket.path) }
            var servers: Set<String> = []
            for _ in 0..<2 {
                for client in clients {
                    try client.send(Self.get)
                    let words = try client.readResponse().text.split(separator: " ")
                    #expect(words.last == "unix")
                    servers.insert(String(words.first ?? ""))
                }
            }
            // One is enough to answer; which one, the kernel decides.
            #expect(!servers.isEmpty && servers.isSubset(of: ["0", "1"]))
        }
    }

    @Test func `clients may call themselves what they like`() async throws {
        let folder = TemporaryFolder()
        try await self.withServers(1, on: folder.file("s")) { socket in
            // A name that getnameinfo would not take: evhttp would end the process.
            let long = folder.file(String(repeating: "n", count: 106 - folder.path.utf8.count))
            for name in [folder.file("n"), long] {
                let client = try RawHTTP(unix: socket.path, name: name)
                try client.send(Self.get)
                #expect(try client.readResponse().text == "0 unix")
            }
        }
    }

    @Test func `hostile bytes are refused there, too`() async throws {
        let folder = TemporaryFolder()
        try await self.withServers(1, on: folder.file("s")) { socket in
            for bytes in ["GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx"] {
                let client = try RawHTTP(unix: socket.path)
                try client.send(bytes + Self.get)
                #expect(try client.readResponse().status == 400)
                #expect(try client.readToEnd().isEmpty)
            }
            let marker = try RawHTTP(unix: socket.path)
            try marker.send(Self.get)
            #expect(try marker.readResponse().status == 200)
        }
    }

    @Test func `the file has its mode and its owner, and is gone afterwards`() throws {
        let folder = TemporaryFolder()
        for mode in [0o600, 0o660, 0o666] as [UInt32] {
            var access = UnixSocket.Access()
            access.mode = mode
            // Another owner takes the rights of root.
            if getuid() == 0 { (access.user, access.group) = (65_534, 4_242) }
            let socket = try UnixSocket(path: folder.file("s"), access: access)
            let status = try #require(self.status(of: socket.path))
            #expect(status.st_mode & S_IFMT == S_IFSOCK && status.st_mode & 0o7777 == mode)
            #expect(status.st_uid == access.user ?? getuid() && status.st_gid == access.group ?? getgid())
            socket.remove()
            #expect(self.status(of: socket.path) == nil)
        }
    }

    @Test func `what a dead process has left is replaced, what lives or is no socket stays`() throws {
        let folder = TemporaryFolder()
        let path = folder.file("s")
        do {
            // Its end closes it, and leaves the file.
            _ = try UnixSocket(path: path)
        }
        #expect(self.status(of: path) != nil)
        let living = try UnixSocket(path: path)
        let number = try #require(self.status(of: path)).st_ino
        let refusal = try #require(throws: HTTPListenError.self) { try UnixSocket(path: path) }
        #expect(refusal.description == "cannot listen on unix:\(path): another process listens there")
        #expect(self.status(of: path)?.st_ino == number)
        // Who has lost the file to another one does not remove that.
        unlink(path)
        let other = try UnixSocket(path: path)
        living.remove()
        #expect(self.status(of: path) != nil)
        other.remove()
        #expect(self.status(of: path) == nil)

        try "precious".write(toFile: path, atomically: true, encoding: .utf8)
        let file = try #require(throws: HTTPListenError.self) { try UnixSocket(path: path) }
        #expect(file.description.contains("no socket"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        for wrong in ["relative", "/" + String(repeating: "x", count: 107), "/nowhere/at/all"] {
            #expect(throws: HTTPListenError.self) { try UnixSocket(path: wrong) }
        }
    }

    @Test func `of many that start at the same time one listens`() async throws {
        let folder = TemporaryFolder()
        let path = folder.file("s")
        for _ in 0..<5 {
            do { _ = try UnixSocket(path: path) }  // A dead one's file.
            let sockets = await withTaskGroup(of: UnixSocket?.self) { group in
                for _ in 0..<8 { group.addTask { try? UnixSocket(path: path) } }
                var sockets: [UnixSocket] = []
                for await socket in group { if let socket { sockets.append(socket) } }
                return sockets
            }
            #expect(sockets.count == 1)
            sockets.first?.remove()
        }
    }
}
