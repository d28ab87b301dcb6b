import SojournCore
import SojournStore

@testable import SojournCommand
@testable import SojournServer

/// Config files, key files and addresses: read or refused with a sentence, which shows no secret.
struct ConfigTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        let reader = SettingsReader(environment: [:]) { _ in text }
        do {
            if case .serve = try reader.read(arguments: ["--config", "f"]) {
                precondition((try? reader.shown(arguments: ["--config", "f"])) != nil, "settings that cannot be shown")
            }
        } catch {
            precondition(!error.description.isEmpty)
        }
        _ = try? SettingsReader(environment: [:]) { _ in nil }.read(
            arguments: text.split(separator: "\n").map(String.init))
        _ = try? KeySettings.keys(text)
        _ = try? KeySettings.keys(lines: text, of: "f")
        _ = try? TokenKeySettings.keys(text)
        _ = try? RedisAddress(text)
        _ = RedisAddress.redacted(text)
        var rules = RateRules()
        _ = rules.add(text)
    }
}
