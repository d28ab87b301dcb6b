import Foundation
import Glibc
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

@Suite struct EmbeddedRedisTests {
    /// Collects the sentences that are logged.
    private final class Sentences: Sendable {
        private let lines = Locked<[String]>([])
        var all: [String] { self.lines.withLock { $0 } }
        var log: Log { Log(minimum: .debug) { event in self.lines.withLock { $0.append(event.message) } } }
    }

    private func redis(
        _ workspace: Workspace, log: Log = .silent, _ change: (inout EmbeddedRedis.Options) -> Void = { _ in }
    )
        throws -> EmbeddedRedis
    {
        var options = EmbeddedRedis.Options(log: log)
        change(&options)
        return try EmbeddedRedis(folder: DataFolder(workspace.data), options: options)
    }

    @Test func `it starts with the configuration that keeps data`() async throws {
        let workspace = try Workspace()
        let redis = try self.redis(workspace)
        try await redis.start()
        let probe = try RedisProbe(path: redis.socket)
        for (name, value) in [
            ("port", "0"), ("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction"),
            ("save", ""),
            ("dir", workspace.data + "/redis"), ("daemonize", "no"), ("unixsocketperm", "700"),
        ] {
            #expect(try probe.ask("CONFIG", "GET", name) == [name, value])
        }
        #expect(await redis.process == workspace.server)
        #expect(await !redis.isAdopted)
        await redis.stop()
        #expect(workspace.server == nil)
        await redis.stop()
    }

    @Test func `what was written is there after a clean stop`() async throws {
        let workspace = try Workspace()
        for round in 0..<3 {
            let redis = try self.redis(workspace)
            try await redis.start()
            #expect(try RedisProbe(path: redis.socket).ask("INCR", "rounds") == ["\(round + 1)"])
            await redis.stop()
            #expect(workspace.server == nil)
        }
    }

    @Test func `killed, it is started again with its data`() async throws {
        let workspace = try Workspace()
        let sentences = Sentences()
        let redis = try self.redis(workspace, log: sentences.log)
        try await redis.start()
        for round in 1...3 {
            #expect(try RedisProbe(path: redis.socket).ask("INCR", "rounds") == ["\(round)"])
            let process = try #require(await redis.process)
            kill(process, SIGKILL)
            try await eventually("it is back") {
                sentences.all.count { $0 == "the private Redis is up again" } == round
            }
            #expect(await redis.process != process)
        }
        #expect(try RedisProbe(path: redis.socket).ask("GET", "rounds") == ["3"])
        #expect(
            sentences.all.suffix(2) == [
                "the private Redis ended and is started again", "the private Redis is up again",
            ])
        await redis.stop()
        #expect(workspace.server == nil)
    }

    @Test func `a server that its owner left behind is adopted, not doubled`() async throws {
        let workspace = try Workspace()
        var first: EmbeddedRedis? = try self.redis(workspace)
        try await first?.start()
        let process = try #require(await first?.process)
        let socket = try #require(first?.socket)
        try RedisProbe(path: socket).ask("SET", "a", "1")
        try RedisProbe(path: socket).ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        first = nil

        var second: EmbeddedRedis?
        try await eventually("the lock is free") {
            second = try? self.redis(workspace)
            return second != nil
        }
        let redis = try #require(second)
        try await redis.start()
        #expect(await redis.process == process)
        #expect(await redis.isAdopted)
        let probe = try RedisProbe(path: redis.socket)
        #expect(try probe.ask("GET", "a") == ["1"])
        #expect(try probe.ask("CONFIG", "GET", "maxmemory-policy").last == "noeviction")

        // The new owner keeps it up, and stops it, like its own.
        kill(process, SIGKILL)
        try await eventually("it is back") {
            guard let now = await redis.process, now != process else { return false }
            return (try? RedisProbe(path: redis.socket).ask("GET", "a")) == ["1"]
        }
        #expect(await !redis.isAdopted)
        await redis.stop()
        #expect(workspace.server == nil)
    }

    @Test func `a server whose socket is gone is ended before another starts`() async throws {
        let workspace = try Workspace()
        var first: EmbeddedRedis? = try self.redis(workspace)
        try await first?.start()
        let process = try #require(await first?.process)
        let socket = try #require(first?.socket)
        try RedisProbe(path: socket).ask("SET", "a", "1")
        first = nil
        unlink(socket)
        var second: EmbeddedRedis?
        try await eventually("the lock is free") {
            second = try? self.redis(workspace) { $0.patience = .milliseconds(200) }
            return second != nil
        }
        let redis = try #require(second)
        try await redis.start()
        #expect(await redis.process != process)
        #expect(workspace.server == (await redis.process))
        #expect(try RedisProbe(path: redis.socket).ask("GET", "a") == ["1"])
        await redis.stop()
    }

    @Test func `a second owner is refused`() async throws {
        let workspace = try Workspace()
        let first = try self.redis(workspace)
        try await first.start()
        #expect(throws: StartError.self) { try self.redis(workspace) }
        #expect(try RedisProbe(path: first.socket).ask("PING") == ["PONG"])
        await first.stop()
    }

    @Test func `on a long path it listens elsewhere and is adopted there`() async throws {
        let workspace = try Workspace()
        let runtime = workspace.path + "/run"
        mkdir(runtime, 0o700)
        let deep = try Workspace(prefix: workspace.path + "/" + String(repeating: "deep", count: 20))
        func make() throws -> EmbeddedRedis {
            try self.redis(deep) { $0.environment["XDG_RUNTIME_DIR"] = runtime }
        }
        var first: EmbeddedRedis? = try make()
        try await first?.start()
        let process = try #require(await first?.process)
        #expect(first?.socket.hasPrefix(runtime + "/sojourn-") == true)
        first = nil
        var second: EmbeddedRedis?
        try await eventually("the lock is free") {
            second = try? make()
            return second != nil
        }
        try await second?.start()
        #expect(await second?.process == process)
        await second?.stop()
        #expect(deep.server == nil)
    }

    @Test func `a missing program is named with the package that has it`() async throws {
        let workspace = try Workspace()
        let redis = try self.redis(workspace) { $0.program = "redis-server-of-nowhere" }
        let error = await #expect(throws: StartError.self) { try await redis.start() }
        #expect(
            error?.description
                == "redis-server-of-nowhere is not installed (apt-get install redis-server); install it, "
                + "or use another Redis with --redis")
    }

    @Test func `an old program is refused`() async throws {
        let workspace = try Workspace()
        let program = try workspace.program("echo 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'")
        let redis = try self.redis(workspace) { $0.program = program }
        let error = await #expect(throws: StartError.self) { try await redis.start() }
        #expect(
            error?.description
                == "redis-server is version 6.0.16, but Sojourn needs 7.0 or newer; install a newer one, or "
                + "use another Redis with --redis")
    }

    @Test func `a server that ends at its start leaves its last words`() async throws {
        let workspace = try Workspace()
        let program = try workspace.program(
            "[ \"$1\" = --version ] && echo v=7.0.15 && exit; echo 'disk is full' >&2; exit 3")
        let redis = try self.redis(workspace) { $0.program = program }
        let error = await #expect(throws: StartError.self) { try await redis.start() }
        #expect(
            error?.description == "the private redis-server exited with status 3 at its start; the end of "
                + "\(workspace.data)/redis/redis.log says: disk is full")
    }

    @Test func `it inherits neither keys nor descriptors of the node`() async throws {
        let workspace = try Workspace()
        let redis = try self.redis(workspace) { $0.environment["SOJOURN_API_KEYS"] = "secret" }
        let open = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(open) }
        var status = stat()
        fstat(open, &status)
        try await redis.start()
        let process = try #require(await redis.process)
        #expect(File.text("/proc/\(process)/environ")?.contains("secret") == false)
        let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").compactMap {
            File.target(ofLink: "/proc/\(process)/fd/\($0)")
        }
        #expect(!links.isEmpty)
        #expect(!links.contains("socket:[\(status.st_ino)]"))
        #expect(getsid(process) == process)
        await redis.stop()
    }
}
