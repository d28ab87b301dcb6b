import SojournServer

/// Keys of session tokens as people write them: `kid:algorithm:material` in a setting, with spaces in a file.
enum TokenKeySettings {
    static let form = "KID:HS256:SECRET, KID:EdDSA:SEED or KID:EdDSA-public:KEY, with 32 bytes or more in base64url"

    static func keys(_ text: String) throws -> [TokenKey] {
        let parts = text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
        guard !parts.isEmpty else { throw Rule(Self.form) }
        return try parts.map { part in
            let words = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard let key = Self.key(words) else { throw Rule(Self.form) }
            return key
        }
    }

    /// All keys of a node: those of the setting, then those of the file.
    ///
    /// - Throws: ``StartError`` with a sentence that names the file and the line, but does not show it.
    static func keys(_ settings: ServeSettings) throws -> [TokenKey] {
        var keys = settings.tokenKeys
        if let path = settings.tokenKeyFile {
            guard let text = File.text(path) else { throw StartError("the token key file \(path) cannot be read") }
            for (number, bytes) in text.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
                let line = Substring(bytes).trimmed
                if line.isEmpty || line.hasPrefix("#") { continue }
                guard let key = Self.key(line.split(whereSeparator: \.isWhitespace).map(String.init)) else {
                    throw StartError(
                        "line \(number + 1) of the token key file \(path) is not of the form \"kid algorithm key\"; "
                            + "sojourn key makes such lines")
                }
                keys.append(key)
            }
        }
        guard Set(keys.map(\.id)).count == keys.count else { throw StartError("two token keys have the same name") }
        return keys
    }

    private static func key(_ words: [String]) -> TokenKey? {
        guard words.count == 3, (try? KeySettings.name(words[0])) != nil else { return nil }
        switch words[1] {
        case "HS256": return TokenKey(id: words[0], hs256: words[2])
        case "EdDSA": return TokenKey(id: words[0], ed25519: words[2])
        case "EdDSA-public": return TokenKey(id: words[0], ed25519Public: words[2])
        default: return nil
        }
    }
}
