import SojournCore

/// Why the settings are refused: one sentence for the person who started the node.
struct SettingsError: Error, CustomStringConvertible {
    let description: String
}

/// What the command line asks for.
enum ServeRequest: Sendable {
    case help
    /// The settings, and sentences about what looks like a slip but stops nothing.
    case serve(ServeSettings, warnings: [String])
}

/// Reads the settings from their three sources. A flag counts more than the environment, that more than
/// the config file, that more than the default.
struct SettingsReader {
    let environment: [String: String]
    /// Reads a config file; nil when it cannot be read.
    let readFile: (String) -> String?

    /// A value and where it came from, in words for an error message.
    private struct Found {
        let text: String
        let origin: String
    }

    private var byName: [String: Setting] {
        Dictionary(uniqueKeysWithValues: ServeSettings.table.map { ($0.name, $0) })
    }

    /// Reads the arguments after `sojourn serve` and everything else.
    func read(arguments: [String]) throws(SettingsError) -> ServeRequest {
        if arguments.contains("--help") || arguments.contains("-h") { return .help }
        var flags = try self.flags(arguments)
        let config = flags.removeValue(forKey: "config")?.text ?? self.environment["SOJOURN_CONFIG"].nonEmpty
        let file = try config.map { path throws(SettingsError) in try self.file(path) } ?? [:]
        var settings = ServeSettings()
        var origins: [String: String] = [:]
        for setting in ServeSettings.table {
            guard let found = flags[setting.name] ?? self.variable(setting) ?? file[setting.name] else { continue }
            origins[setting.name] = found.origin
            do {
                try setting.apply(&settings, found.text)
            } catch {
                throw SettingsError(
                    description: "the setting \(setting.name) (\(found.origin)) is \"\(setting.shown(found.text))\", "
                        + "but must be \((error as? Rule)?.sentence ?? "\(error)")")
            }
        }
        try self.checkTogether(settings, origins)
        return .serve(settings, warnings: self.slips())
    }

    /// Every setting as `name = value  # where it comes from`, without secrets, once all of them are right.
    func shown(arguments: [String]) throws(SettingsError) -> [String] {
        _ = try self.read(arguments: arguments)
        var flags = try self.flags(arguments)
        let config = flags.removeValue(forKey: "config")?.text ?? self.environment["SOJOURN_CONFIG"].nonEmpty
        let file = try config.map { path throws(SettingsError) in try self.file(path) } ?? [:]
        return ServeSettings.table.map { setting in
            guard let found = flags[setting.name] ?? self.variable(setting) ?? file[setting.name] else {
                return "\(setting.name) = \(setting.standard)  # the default"
            }
            return "\(setting.name) = \(setting.shown(found.text))  # \(found.origin)"
        }
    }

    private func checkTogether(_ settings: ServeSettings, _ origins: [String: String]) throws(SettingsError) {
        if settings.unixSocket == nil {
            guard settings.port != nil else {
                throw SettingsError(
                    description: "the setting port (\(origins["port"] ?? "")) is none, but then listen must be set")
            }
            for name in ["listen-owner", "listen-mode"] {
                guard let origin = origins[name] else { continue }
                throw SettingsError(description: "the setting \(name) (\(origin)) is of no use without listen")
            }
        }
        let timeouts = settings.timeouts
        guard timeouts.minimumTimeout <= timeouts.maximumTimeout else {
            let name = "session-min-timeout-minutes"
            let other = "session-max-timeout-minutes"
            throw SettingsError(
                description: "the setting \(name) (\(origins[name] ?? "the default")) is above "
                    + "\(other) (\(origins[other] ?? "the default")), but must not be")
        }
    }

    private func flags(_ arguments: [String]) throws(SettingsError) -> [String: Found] {
        var found: [String: Found] = [:]
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                throw SettingsError(
                    description: "serve takes settings such as --port 3000, but was given \"\(argument)\"")
            }
            let halves = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(halves[0])
            guard name == "config" || self.byName[name] != nil else {
                throw SettingsError(
                    description: "there is no setting --\(name)" + Nearest.hint(name, among: self.names, prefix: "--"))
            }
            let origin = "--\(name)"
            if halves.count == 2 {
                found[name] = Found(text: String(halves[1]), origin: origin)
            } else if self.byName[name]?.isSwitch == true {
                found[name] = Found(text: "true", origin: origin)
            } else if let next = rest.first, !next.hasPrefix("--") {
                found[name] = Found(text: next, origin: origin)
                rest.removeFirst()
            } else {
                throw SettingsError(description: "the setting --\(name) needs a value")
            }
        }
        return found
    }

    private var names: [String] { ServeSettings.table.map(\.name) + ["config"] }

    private func variable(_ setting: Setting) -> Found? {
        for name in [setting.variable] + setting.aliases {
            // An empty variable is how container files say "not set".
            guard let text = self.environment[name].nonEmpty else { continue }
            // Kubernetes sets SOJOURN_PORT=tcp://… in every pod beside a service that is called sojourn.
            if name == "SOJOURN_PORT", text.hasPrefix("tcp://") { continue }
            return Found(text: text, origin: "from \(name)")
        }
        return nil
    }

    /// Variables that look like misspelt settings. Others may own the prefix, so they stop nothing.
    private func slips() -> [String] {
        let known = ServeSettings.table.map(\.variable) + ["SOJOURN_CONFIG"]
        return self.environment.keys.sorted().compactMap { name in
            guard name.hasPrefix("SOJOURN_"), !known.contains(name), let near = Nearest.name(to: name, among: known)
            else { return nil }
            return "the variable \(name) is not a setting; did you mean \(near)?"
        }
    }

    private func file(_ path: String) throws(SettingsError) -> [String: Found] {
        guard let text = self.readFile(path) else {
            throw SettingsError(description: "the config file \(path) cannot be read")
        }
        var found: [String: Found] = [:]
        // A Windows line end is one Character, so lines are split at bytes.
        for (number, bytes) in text.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            let line = (Substring(bytes)).trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let origin = "line \(number + 1) of \(path)"
            guard let equals = line.firstIndex(of: "=") else {
                throw SettingsError(description: "\(origin) is not of the form name = value")
            }
            let name = line[..<equals].trimmed
            guard let setting = self.byName[name] else {
                throw SettingsError(
                    description: "\(origin) names a setting that does not exist: \(name)"
                        + Nearest.hint(name, among: ServeSettings.table.map(\.name), prefix: ""))
            }
            if let earlier = found[setting.name] {
                throw SettingsError(description: "\(origin) sets \(name) again, after \(earlier.origin)")
            }
            found[name] = Found(text: line[line.index(after: equals)...].trimmed, origin: origin)
        }
        return found
    }
}

extension StringProtocol {
    /// The text without white space around it.
    var trimmed: String {
        let start = self.drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}

extension String? {
    /// The text, unless it is empty.
    var nonEmpty: String? { self.flatMap { $0.isEmpty ? nil : $0 } }
}
