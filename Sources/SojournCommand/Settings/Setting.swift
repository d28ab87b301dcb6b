import Glibc

/// One setting of `sojourn serve`: its names, its help, and how its text becomes a value.
///
/// The same row drives the flag `--name`, the variable `SOJOURN_NAME`, the line `name = value` of a config
/// file, and the help.
struct Setting: Sendable {
    /// Lower-case words joined by hyphens.
    let name: String
    /// Variables of other programs that mean the same; they count less than `SOJOURN_NAME`.
    var aliases: [String] = []
    /// What stands for the value in the help; nil for a switch, whose flag may stand alone.
    let placeholder: String?
    /// The default, as the help shows it.
    let standard: String
    /// What it does, in one line that starts with a lower-case letter.
    let help: String
    /// What an error message shows of a value.
    var shown: @Sendable (String) -> String = { $0 }
    /// Stores the value.
    ///
    /// - Throws: ``Rule`` when the text is not a value of this setting.
    let apply: @Sendable (inout ServeSettings, String) throws -> Void

    var flag: String { "--" + self.name }
    var variable: String { "SOJOURN_" + self.name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined() }
    var isSwitch: Bool { self.placeholder == nil }
}

/// What a value must be; completes the sentence "… but must be".
struct Rule: Error {
    let sentence: String

    init(_ sentence: String) { self.sentence = sentence }
}

extension Rule {
    static func integer(_ text: String, _ range: ClosedRange<Int>) throws -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw Rule("a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Milliseconds from a number of a larger unit, which may be fractional.
    static func duration(_ text: String, unit: Int64, _ name: String, _ range: ClosedRange<Double>) throws -> Int64 {
        guard let number = Double(text), range.contains(number) else {
            func plain(_ bound: Double) -> String { bound == bound.rounded() ? String(Int(bound)) : String(bound) }
            throw Rule("a number of \(name) from \(plain(range.lowerBound)) to \(plain(range.upperBound))")
        }
        return Int64((number * Double(unit)).rounded())
    }

    static func truth(_ text: String) throws -> Bool {
        switch text.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default: throw Rule("true or false")
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable>(_ text: String) throws -> Value
    where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            throw Rule("one of " + Value.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return value
    }

    /// A word that may become part of a Redis key or of a log line.
    static func word(_ text: String, upTo limit: Int, alsoAllowed: String) throws -> String {
        let fits = text.utf8.allSatisfy { byte in
            Unicode.Scalar(byte).properties.isAlphabetic && byte < 0x80 || (48...57).contains(byte)
                || alsoAllowed.utf8.contains(byte)
        }
        guard fits, (1...limit).contains(text.utf8.count) else {
            throw Rule("1 to \(limit) letters, digits or any of \(alsoAllowed)")
        }
        return text
    }

    /// An address that can be listened on without asking a name server.
    static func address(_ text: String) throws -> String {
        var bytes = in6_addr()
        let isNumeric = unsafe inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1
        guard isNumeric || text == "localhost" else { throw Rule("a numeric IP address, or localhost") }
        return text
    }

    static func path(_ text: String) throws -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else { throw Rule("a path") }
        return text
    }
}
