import SojournLoop

/// Addresses that name several servers.
extension RedisAddress {
    static let sentinelRule = Rule(
        "redis+sentinel://[user:password@]host[:port][,host[:port]…]/master[/db][?sentinel-user=…&sentinel-password=…]")

    /// Reads what follows `redis+sentinel:` or, over TLS, `rediss+sentinel:`.
    init(sentinels text: Substring) throws {
        let (login, servers, path, query) = try Self.parts(of: text, Self.sentinelRule)
        let words = path.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(words.count), !words[0].isEmpty, !words[0].contains(where: \.isWhitespace),
            let database = words.count == 1 ? 0 : Int(words[1]), database >= 0
        else { throw Self.sentinelRule }
        let sentinels = try Self.endpoints(servers, port: 26_379, Self.sentinelRule)
        self.init(place: .sentinel(sentinels, master: try Self.decoded(words[0])), database: database)
        try self.take(login: login)
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { throw Self.sentinelRule }
            switch halves[0] {
            case "sentinel-user": self.sentinelUser = try Self.decoded(halves[1])
            case "sentinel-password": self.sentinelPassword = try Self.decoded(halves[1])
            default: throw Self.sentinelRule
            }
        }
    }

    static let clusterRule = Rule("redis+cluster://[user:password@]host[:port][,host[:port]…]")

    /// Reads what follows `redis+cluster:` or, over TLS, `rediss+cluster:`. A cluster has database 0 only.
    init(cluster text: Substring) throws {
        let (login, servers, path, query) = try Self.parts(of: text, Self.clusterRule)
        guard path.isEmpty || path == "0", query.isEmpty else { throw Self.clusterRule }
        self.init(place: .cluster(try Self.endpoints(servers, port: 6_379, Self.clusterRule)), database: 0)
        try self.take(login: login)
    }

    /// `//[login@]servers[/path][?query]`.
    private static func parts(
        of text: Substring, _ rule: Rule
    ) throws -> (login: Substring?, servers: Substring, path: Substring, query: Substring) {
        guard text.hasPrefix("//") else { throw rule }
        var rest = text.dropFirst(2)
        var login: Substring?
        var query: Substring = ""
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if let at = rest.lastIndex(of: "@") {
            login = rest[..<at]
            rest = rest[rest.index(after: at)...]
        }
        guard let slash = rest.firstIndex(of: "/") else { return (login, rest, "", query) }
        return (login, rest[..<slash], rest[rest.index(after: slash)...], query)
    }

    private static func endpoints(_ text: Substring, port: Int, _ rule: Rule) throws -> [Endpoint] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map {
            guard case .tcp(let host, let own)? = try? Self.tcp($0, standard: port) else { throw rule }
            return .tcp(host: host, port: own)
        }
    }
}

extension RedisAddress {
    /// The servers, for people.
    static func shown(_ servers: [Endpoint]) -> String { servers.map { "\($0)" }.joined(separator: ",") }
}
