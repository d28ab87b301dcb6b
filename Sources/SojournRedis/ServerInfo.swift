/// What `INFO` says, field by field.
package struct ServerInfo {
    private var fields: [Substring: Substring] = [:]

    /// Reads the answer of one or more sections.
    package init(_ text: String) {
        // Compared as bytes: to Swift "\r\n" is one character.
        for line in text.split(whereSeparator: \.isNewline) where line.first != "#" {
            guard let colon = line.firstIndex(of: ":") else { continue }
            self.fields[line[..<colon]] = line[line.index(after: colon)...]
        }
    }

    /// The value of a field; nil when it was not told.
    package subscript(_ name: Substring) -> String? { self.fields[name].map(String.init) }

    /// Whether `role` is `master`.
    package var isMaster: Bool { self["role"] == "master" }

    /// Why this server is too old, as a sentence, or nil.
    var versionRefusal: String? {
        let version = self["redis_version"] ?? "of unknown version"
        let major = version.split(separator: ".").first.flatMap { Int($0) } ?? 0
        return major >= 7 ? nil : "Redis 7.0 or newer is needed; this server is \(version)"
    }

    /// Why this server does not fit what is thought of it, as a sentence, or nil.
    func modeRefusal(inCluster: Bool) -> String? {
        switch (self["redis_mode"], inCluster) {
        case ("cluster", false): "this server is a member of a cluster: reach it by redis+cluster://"
        case ("standalone", true): "this server is no member of a cluster: reach it by redis://"
        default: nil
        }
    }

    /// Why this eviction policy loses sessions, as a sentence, or nil.
    static func policyRefusal(_ policy: String?) -> String? {
        switch policy {
        case "noeviction": nil
        case let policy?:
            "maxmemory-policy must be noeviction, because sessions would be evicted otherwise; it is \(policy)"
        case nil: "the server does not tell its maxmemory-policy, neither by CONFIG nor by INFO; allow one of them"
        }
    }
}
