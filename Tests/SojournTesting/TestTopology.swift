import Foundation
public import SojournLoop

/// How the nodes of the tests reach Redis: `SOJOURN_TEST_TOPOLOGY=sentinel` or `cluster`; else it is one server.
///
/// Tests of one connection, and those that say how their servers are related, are about what they say in every run.
public enum TestTopology: String, Sendable {
    /// One server, by its socket.
    case standalone
    /// One server, through a sentinel.
    case sentinel
    /// Three masters.
    case cluster

    /// The topology of this run.
    public static let current =
        ProcessInfo.processInfo.environment["SOJOURN_TEST_TOPOLOGY"].flatMap(TestTopology.init) ?? .standalone

    /// What a server that a file starts with these settings is part of.
    static func applying(to file: String, tcp: Bool, _ settings: [String]) -> TestTopology {
        let modules = ["SojournStoreTests/", "SojournServerTests/", "SojournCommandTests/"]
        guard modules.contains(where: file.hasPrefix), !tcp, !settings.contains("--cluster-enabled") else {
            return .standalone
        }
        return Self.current
    }
}

/// What a server is part of.
enum TestSurroundings: Sendable {
    case alone
    /// A sentinel that watches it and never finds that it is gone for good.
    case sentinel(Endpoint, TestProcess)
    /// A member of a cluster, with the others.
    case cluster([RedisServer])
}

extension RedisServer {
    /// The sentinel that knows it as ``SentinelBed/name``, in a run through sentinels.
    public var sentinel: Endpoint? {
        if case .sentinel(let endpoint, _) = self.surroundings { endpoint } else { nil }
    }

    /// The members of its cluster, itself among them, in a run against a cluster.
    public var members: [Endpoint] {
        if case .cluster(let others) = self.surroundings { ([self] + others).map(\.tcpEndpoint) } else { [] }
    }

    /// What `--redis` says to reach it as this run does.
    public var url: String {
        let login = self.password.map { ":\($0)@" } ?? ""
        switch self.surroundings {
        case .alone:
            return "unix:\(self.folder.file("redis.sock"))" + (self.password.map { "?password=\($0)" } ?? "")
        case .sentinel(let endpoint, _): return "redis+sentinel://\(login)\(endpoint)/\(SentinelBed.name)"
        case .cluster: return "redis+cluster://\(login)" + self.members.map { "\($0)" }.joined(separator: ",")
        }
    }

    /// Starts a sentinel that only says where a server is.
    static func sentinel(of server: RedisServer) async throws -> TestSurroundings {
        let port = TestListener.freePort()
        let file = server.folder.file("sentinel.conf")
        try """
        port \(port)
        bind 127.0.0.1
        dir \(server.folder.path)
        logfile \(server.folder.file("sentinel.log"))
        sentinel monitor \(SentinelBed.name) 127.0.0.1 \(server.port) 1
        sentinel down-after-milliseconds \(SentinelBed.name) 600000

        """.write(toFile: file, atomically: true, encoding: .utf8)
        let process = try TestProcess("redis-server", [file, "--sentinel"])
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: port)
        try await eventually(within: 20, "the sentinel answers") {
            (try? RawRedis(endpoint).send("PING")) == .text("PONG")
        }
        return .sentinel(endpoint, process)
    }
}
