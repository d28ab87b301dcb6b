import SojournServer

/// Keys as people write them: `name:role:secret` in a setting, `name role sha256:…` in a file.
enum KeySettings {
    /// The keys of the setting `api-keys`. A part without a name and role opens everything, as the one token of older
    /// servers does.
    static func keys(_ text: String) throws -> [AccessKey] {
        let parts = text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
        guard !parts.isEmpty else { throw Rule("one or more keys with commas between them") }
        return try parts.enumerated().map { place, part in
            let words = part.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard words.count == 3 else {
                return AccessKey(name: "key-\(place + 1)", role: .admin, secret: part)
            }
            guard let role = Role(rawValue: words[1]) else {
                // A secret may have colons; a role that is misspelt must not pass for one.
                guard Nearest.name(to: words[1], among: Role.allCases.map(\.rawValue)) == nil else {
                    throw Rule("keys of the form NAME:ROLE:SECRET with a role of \(Self.roles)")
                }
                return AccessKey(name: "key-\(place + 1)", role: .admin, secret: part)
            }
            guard !words[2].isEmpty else { throw Rule("keys of the form NAME:ROLE:SECRET with a secret") }
            return AccessKey(name: try Self.name(words[0]), role: role, secret: words[2])
        }
    }

    /// All keys of a node: those of the setting and those of the file.
    ///
    /// - Throws: ``StartError`` with a sentence that names the file and the line.
    static func keys(_ settings: ServeSettings) throws -> [AccessKey] {
        guard let path = settings.apiKeyFile else { return settings.apiKeys }
        guard let text = File.text(path) else { throw StartError("the key file \(path) cannot be read") }
        return settings.apiKeys + (try Self.keys(lines: text, of: path))
    }

    static func keys(lines text: String, of path: String) throws -> [AccessKey] {
        var keys: [AccessKey] = []
        for (number, bytes) in text.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            let line = Substring(bytes).trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            // The line is not shown: it may hold a secret that someone forgot to hash.
            guard words.count == 3, let name = try? Self.name(words[0]), let role = Role(rawValue: words[1]),
                let key = AccessKey(name: name, role: role, digest: words[2])
            else {
                throw StartError(
                    "line \(number + 1) of the key file \(path) is not of the form \"name role sha256:digest\" with a "
                        + "role of \(Self.roles); sojourn key makes such lines")
            }
            keys.append(key)
        }
        // Else a mistake would leave the node open for everyone.
        guard !keys.isEmpty else { throw StartError("the key file \(path) holds no key") }
        return keys
    }

    static func name(_ text: String) throws -> String { try Rule.word(text, upTo: 64, alsoAllowed: "._-") }

    static let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")
}
