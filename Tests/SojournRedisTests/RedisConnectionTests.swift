import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

@Suite struct RedisConnectionTests {
    @Test func `commands of one pass leave in one write`() async throws {
        let server = try await RedisServer.start()
        let proxy = TestProxy(to: server.endpoint)
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: proxy.endpoint, options: .quiet)
            redis.start()
            #expect(await outcome { try await redis.send(["PING"], kind: .read) } == "PONG")
            proxy.forgetReads()
            let outcomes = concurrently(100, on: loop) { try await redis.send(["ECHO", .integer($0)], kind: .read) }
            try await eventually { outcomes.answered == 100 }
            #expect(outcomes.all == (0..<100).map { "\($0)" })
            #expect(proxy.reads.count == 1)
            redis.close()
        }
    }

    @Test func `the handshake is one write and loads the scripts`() async throws {
        let server = try await RedisServer.start()
        let proxy = TestProxy(to: server.endpoint)
        try await onLoop { loop in
            var options = RedisOptions.quiet
            options.scripts = [appendScript, lengthScript]
            options.clientName = "sojourn-test"
            options.database = 3
            let redis = RedisConnection(loop: loop, endpoint: proxy.endpoint, options: options)
            redis.start()
            try await eventually { redis.state == .ready }
            #expect(proxy.reads.count == 1)
            #expect(await outcome { try await redis.call(appendScript, keys: ["l"], arguments: ["x"]) } == "1")
            #expect(await outcome { try await redis.call(lengthScript, keys: ["l"]) } == "1")
            #expect(redis.replid?.count == 40)
            redis.close()
            #expect(await outcome { try await redis.send(["PING"], kind: .read) } == "unavailable")
        }
        let raw = try server.client()
        #expect(try raw.send("SCRIPT", "EXISTS", appendScript.sha1, lengthScript.sha1) == .array([1, 1]))
        #expect(try raw.send("EXISTS", "l") == 0)
        try raw.send("SELECT", "3")
        #expect(try raw.send("LRANGE", "l", "0", "-1") == .array(["x"]))
    }

    @Test func `a command that takes too long is given up and its late reply discarded`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet)
            redis.start()
            try await eventually { redis.state == .ready }
            server.signal(SIGSTOP)
            let outcomes = concurrently(2, on: loop) { index in
                index == 0
                    ? try await redis.send(["ECHO", "late"], kind: .read, timeoutMs: 50)
                    : try await redis.send(["SET", "k", "v"], kind: .write, timeoutMs: 50)
            }
            try await eventually { outcomes.answered == 2 }
            #expect(outcomes.all == ["timedOut", "outcomeUnknown"])
            let next = concurrently(1, on: loop) { _ in try await redis.send(["ECHO", "next"], kind: .read) }
            server.signal(SIGCONT)
            try await eventually { next.answered == 1 }
            #expect(next.all == ["next"])
            #expect(try server.client().send("GET", "k") == "v")
            redis.close()
        }
    }

    @Test func `without a server commands wait for one until their deadline`() async throws {
        let server = try await RedisServer.start()
        server.stop()
        let book = LogBook()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet, log: book.log)
            let early = concurrently(1, on: loop) { _ in try await redis.send(["PING"], kind: .read) }
            redis.start()
            #expect(
                await outcome { try await redis.send(["SET", "a", "b"], kind: .write, timeoutMs: 50) } == "unavailable")
            try await server.restart()
            try await eventually { early.answered == 1 }
            #expect(early.all == ["PONG"])
            #expect(try server.client().send("EXISTS", "a") == 0)
            redis.close()
        }
        #expect(
            book.messages == [
                "warning: Redis cannot be reached; it is tried again and again",
                "notice: The connection to Redis is back",
            ])
    }

    @Test func `a killed server makes writes unknown, reads are sent again, and the connection comes back`()
        async throws
    {
        let server = try await RedisServer.start(["--appendfsync", "always"])
        let book = LogBook()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet, log: book.log)
            redis.start()
            #expect(await outcome { try await redis.send(["SET", "kept", "yes"], kind: .write) } == "OK")
            let first = redis.replid
            try server.client().send("CLIENT", "PAUSE", "60000", "ALL")
            let outcomes = concurrently(20, on: loop) { index in
                index % 2 == 0
                    ? try await redis.send(["INCR", "n"], kind: .write)
                    : try await redis.send(["GET", "kept"], kind: .read)
            }
            try await eventually { redis.pipeline.inFlightCount == 20 }
            server.kill9()
            try await eventually { outcomes.answered == 10 }
            try await server.restart()
            try await eventually { outcomes.answered == 20 }
            #expect(outcomes.all == (0..<20).map { $0 % 2 == 0 ? "outcomeUnknown" : "yes" })
            #expect(redis.replid != nil && redis.replid != first)
            redis.close()
        }
        #expect(book.messages.filter { $0.hasPrefix("warning: The connection to Redis is lost") }.count == 1)
        #expect(book.messages.filter { $0 == "notice: The connection to Redis is back" }.count == 1)
    }

    @Test func `a server that stops answering is left and found again`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            var options = RedisOptions.quiet
            options.refreshIntervalMs = 20
            options.stallLimitMs = 100
            options.connectTimeoutMs = 200
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: options)
            redis.start()
            try await eventually { redis.state == .ready }
            server.signal(SIGSTOP)
            let outcomes = concurrently(2, on: loop) { index in
                try await redis.send(["INCR", "n"], kind: index == 0 ? .write : .read)
            }
            try await eventually { outcomes.answered == 1 && redis.state == .connecting }
            #expect(outcomes.all[0] == "outcomeUnknown")
            server.signal(SIGCONT)
            try await eventually { outcomes.answered == 2 && redis.state == .ready }
            redis.close()
        }
    }

    @Test func `passwords are sent, and a wrong one is refused in words`() async throws {
        let server = try await RedisServer.start(password: "secret")
        try await onLoop { loop in
            for (password, expected) in [("secret", "PONG"), ("wrong", "refused"), (nil, "refused")] {
                var options = RedisOptions.quiet
                options.password = password
                let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: options)
                redis.start()
                #expect(await outcome { try await redis.send(["PING"], kind: .read) } == expected)
                if expected == "refused", case .refused(let sentence) = redis.state {
                    #expect(sentence.contains("password"))
                } else {
                    #expect(redis.state == .ready)
                }
                redis.close()
            }
        }
    }

    @Test func `a user who may not ask CONFIG is judged by INFO`() async throws {
        let server = try await RedisServer.start()
        try server.client().send("ACL", "SETUSER", "clerk", "on", ">pw", "~*", "&*", "+@all", "-config")
        try await onLoop { loop in
            var options = RedisOptions.quiet
            options.user = "clerk"
            options.password = "pw"
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: options)
            redis.start()
            #expect(await outcome { try await redis.send(["ACL", "WHOAMI"], kind: .read) } == "clerk")
            redis.close()
        }
    }

    @Test func `a server that evicts is refused until it is told not to`() async throws {
        let server = try await RedisServer.start(["--maxmemory-policy", "allkeys-lru"])
        let book = LogBook()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet, log: book.log)
            var states: [RedisConnection.State] = []
            redis.onStateChange = { states.append($0) }
            redis.start()
            #expect(await outcome { try await redis.send(["SET", "a", "b"], kind: .write) } == "refused")
            try server.client().send("CONFIG", "SET", "maxmemory-policy", "noeviction")
            try await eventually { redis.state == .ready }
            #expect(await outcome { try await redis.send(["SET", "a", "b"], kind: .write) } == "OK")
            #expect(states.count == 3 && states.first == .connecting && states.last == .ready)
            redis.close()
        }
        // It says why, once, and not that the server cannot be reached.
        #expect(book.messages.filter { $0.hasPrefix("error: This Redis server cannot be used") }.count == 1)
        #expect(!book.messages.contains { $0.hasPrefix("warning: ") }, "\(book.messages)")
    }

    @Test func `appends of one key keep their order when the server forgets its scripts`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            var options = RedisOptions.quiet
            options.scripts = [appendScript]
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: options)
            redis.start()
            try await eventually { redis.state == .ready }
            let outcomes = concurrently(1_000, on: loop) { index in
                try await redis.call(appendScript, keys: ["log"], arguments: [.integer(index)], orderKey: "s")
            }
            let raw = try server.client()
            var flushes = 0
            while outcomes.answered < 1_000 {
                try raw.send("SCRIPT", "FLUSH")
                flushes += 1
                await Task.yield()
            }
            #expect(flushes > 3)
            #expect(outcomes.all == (1...1_000).map { "\($0)" })
            #expect(try raw.send("LRANGE", "log", "0", "-1").array.map(\.string) == (0..<1_000).map { "\($0)" })
            redis.close()
        }
    }

    @Test func `a server that lost its mastership gets no writes until it has it back`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            var options = RedisOptions.quiet
            options.refreshIntervalMs = 20
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: options)
            redis.start()
            #expect(await outcome { try await redis.send(["SET", "a", "1"], kind: .write) } == "OK")
            let first = redis.replid
            let raw = try server.client()
            try raw.send("REPLICAOF", "127.0.0.1", "1")
            try await eventually { !redis.pipeline.allowsWrites }
            let write = concurrently(1, on: loop) { _ in try await redis.send(["SET", "a", "2"], kind: .write) }
            #expect(await outcome { try await redis.send(["GET", "a"], kind: .read) } == "1")
            #expect(write.answered == 0)
            try raw.send("REPLICAOF", "NO", "ONE")
            try await eventually { write.answered == 1 }
            #expect(write.all == ["OK"])
            #expect(redis.replid != first)
            redis.close()
        }
    }

    @Test func `READONLY makes the connection ask for the role at once`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet)
            redis.start()
            try await eventually { redis.state == .ready }
            try server.client().send("REPLICAOF", "127.0.0.1", "1")
            #expect(await outcome { try await redis.send(["SET", "a", "1"], kind: .write) } == "READONLY")
            try await eventually { !redis.pipeline.allowsWrites }
            redis.close()
        }
    }

    @Test func `errors of the server keep its words`() async throws {
        let server = try await RedisServer.start(["--maxmemory", "1"])
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet)
            redis.start()
            #expect(await outcome { try await redis.send(["SET", "a", "1"], kind: .write) } == "OOM")
            #expect(await outcome { try await redis.send(["LPOP"], kind: .write) } == "ERR")
            do {
                _ = try await redis.send(["NONSENSE"], kind: .write)
                Issue.record("no error")
            } catch let error as RedisError {
                #expect(error.message.hasPrefix("ERR unknown command"))
                #expect(error.file.hasSuffix("RedisConnectionTests.swift"))
            }
            redis.close()
        }
    }

    @Test func `a server of another protocol is left`() async throws {
        let listener = TestListener { fd in
            _ = send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0)
        }
        let book = LogBook()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: listener.endpoint, options: .quiet, log: book.log)
            redis.start()
            #expect(await outcome { try await redis.send(["PING"], kind: .read, timeoutMs: 200) } == "unavailable")
            redis.close()
        }
        #expect(book.messages.count == 1)
    }
}
