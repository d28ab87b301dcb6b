import SojournLoop

/// Where a Redis is and how to log in, as `--redis` says it.
struct RedisAddress: Sendable, Hashable {
    /// The way there.
    enum Place: Sendable, Hashable {
        case tcp(host: String, port: Int)
        case unix(path: String)
        case sentinel([Endpoint], master: String)
        case cluster([Endpoint])
    }

    var place: Place
    /// Whether it is reached over TLS.
    var isSecure = false
    /// The ACL user; nil is Redis' own `default`.
    var user: String?
    var password: String?
    /// How to log in to the sentinels.
    var sentinelUser: String?
    var sentinelPassword: String?
    /// The logical database.
    var database = 0

    /// A server on a unix socket, without login.
    init(unix path: String) { self.place = .unix(path: path) }

    init(place: Place, database: Int) {
        self.place = place
        self.database = database
    }

    /// Reads `redis[s]://[user:password@]host[:port][/db]`, `unix:/path[?db=n&user=…&password=…]`, or an address that names
    /// several servers.
    init(_ text: String) throws {
        guard let colon = text.firstIndex(of: ":") else { throw Self.rule }
        let scheme = text[..<colon].lowercased()
        let rest = text[text.index(after: colon)...]
        switch scheme {
        case "redis": try self.init(authority: rest)
        case "rediss":
            try self.init(authority: rest)
            self.isSecure = true
        case "unix": try self.init(socket: rest)
        case "redis+sentinel", "rediss+sentinel":
            try self.init(sentinels: rest)
            self.isSecure = scheme.hasPrefix("rediss")
        case "redis+cluster", "rediss+cluster":
            try self.init(cluster: rest)
            self.isSecure = scheme.hasPrefix("rediss")
        default: throw Self.rule
        }
    }

    /// Whether it names the server itself.
    var isOneServer: Bool {
        switch self.place {
        case .tcp, .unix: true
        case .sentinel, .cluster: false
        }
    }

    /// The address without its password, for people.
    var shown: String {
        let login = self.user.map { "\($0)@" } ?? ""
        switch self.place {
        case .tcp(let host, let port):
            return
                "redis\(self.isSecure ? "s" : "")://\(login)\(host.contains(":") ? "[\(host)]" : host):\(port)/\(self.database)"
        case .unix(let path): return "unix:\(path)" + (self.database == 0 ? "" : "?db=\(self.database)")
        case .sentinel(let servers, let master):
            return "redis\(self.isSecure ? "s" : "")+sentinel://\(login)\(Self.shown(servers))/\(master)"
                + (self.database == 0 ? "" : "/\(self.database)")
        case .cluster(let servers):
            return "redis\(self.isSecure ? "s" : "")+cluster://\(login)\(Self.shown(servers))"
        }
    }

    /// What an error message may show of a text that should be an address.
    static func redacted(_ text: String) -> String {
        if text.contains("@") {
            let place = text.prefix { $0 != "?" }
            guard let at = place.lastIndex(of: "@") else { return String(text.prefix { $0 != ":" }) + "://(not shown)" }
            let query = text.contains("password=") ? "?(not shown)" : text[place.endIndex...]
            return String(text.prefix { $0 != ":" }) + "://(not shown)" + place[at...] + query
        }
        return text.contains("password=") ? String(text.prefix { $0 != "?" }) + "?(not shown)" : text
    }

    static let rule = Rule(
        "redis[s]://[user:password@]host[:port][/db], unix:/path[?db=n], redis[s]+sentinel://host[:port][,host…]/master[/db] "
            + "or redis[s]+cluster://host[:port][,host…]")

    private init(authority text: Substring) throws {
        guard text.hasPrefix("//") else { throw Self.rule }
        var place = text.dropFirst(2)
        var login: Substring?
        if let at = place.lastIndex(of: "@") {
            login = place[..<at]
            place = place[place.index(after: at)...]
        }
        var database = 0
        if let slash = place.firstIndex(of: "/") {
            let path = place[place.index(after: slash)...]
            guard let number = path.isEmpty ? 0 : Int(path), number >= 0 else { throw Self.rule }
            database = number
            place = place[..<slash]
        }
        self.place = try Self.tcp(place)
        self.database = database
        try self.take(login: login)
    }

    /// Reads `user:password`, `:password` or `user`.
    mutating func take(login: Substring?) throws {
        guard let login else { return }
        let halves = login.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        self.user = halves[0].isEmpty ? nil : try Self.decoded(halves[0])
        self.password = halves.count == 2 ? try Self.decoded(halves[1]) : nil
    }

    /// Reads `host[:port]`.
    static func tcp(_ text: Substring, standard: Int = 6379) throws -> Place {
        var host = text
        var port: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw Self.rule }
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { throw Self.rule }
        guard let port else { return .tcp(host: String(host), port: standard) }
        guard let number = Int(port), (1...65_535).contains(number) else { throw Self.rule }
        return .tcp(host: String(host), port: number)
    }

    private init(socket text: Substring) throws {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves[0].hasPrefix("//") ? halves[0].dropFirst(2) : halves[0]
        guard path.hasPrefix("/") else { throw Self.rule }
        // The limit of sockaddr_un (unix(7)).
        guard path.utf8.count < 108 else { throw Rule("the path of a unix socket, which has at most 107 bytes") }
        self.place = .unix(path: String(path))
        for pair in halves.count == 2 ? halves[1].split(separator: "&") : [] {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw Self.rule }
            switch parts[0] {
            case "db":
                guard let number = Int(parts[1]), number >= 0 else { throw Self.rule }
                self.database = number
            case "user": self.user = try Self.decoded(parts[1])
            case "password": self.password = try Self.decoded(parts[1])
            default: throw Self.rule
            }
        }
    }

    /// Undoes percent-encoding (RFC 3986 section 2.1).
    static func decoded(_ text: Substring) throws -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                throw Self.rule
            }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
