import Glibc
import SojournCore

/// How log lines look.
enum LogFormat: String, Sendable, CaseIterable {
    /// `ts=… level=info msg="…" session.id=…`
    case logfmt
    /// `{"ts":"…","level":"info","msg":"…","session.id":"…"}`
    case json

    /// One event as one line, with its newline.
    func line(_ event: LogEvent, at instant: Instant) -> [UInt8] {
        var line: [UInt8]
        switch self {
        case .logfmt:
            line = Array("ts=\(instant.iso8601) level=\(event.level) msg=".utf8)
            Self.writeLogfmt(event.message, to: &line)
            for (key, value) in event.metadata {
                line.append(UInt8(ascii: " "))
                line.append(contentsOf: Self.key(key).utf8)
                line.append(UInt8(ascii: "="))
                Self.writeLogfmt(value, to: &line)
            }
        case .json:
            var object: JSONObject = [
                "ts": .string(instant.iso8601), "level": .string("\(event.level)"), "msg": .string(event.message),
            ]
            for (key, value) in event.metadata { object[key] = .string(value) }
            line = JSON.object(object).bytes
        }
        line.append(UInt8(ascii: "\n"))
        return line
    }

    /// A key without the characters that end one; ours have none, but some may come from outside.
    private static func key(_ key: String) -> String {
        let clean = key.unicodeScalars.map { scalar -> Character in
            scalar.value <= 0x20 || scalar == "=" || scalar == "\"" || scalar.value == 0x7F ? "_" : Character(scalar)
        }
        return clean.isEmpty ? "_" : String(clean)
    }

    /// A bare word where that is clear, else a string with the escapes of JSON; always on one line.
    private static func writeLogfmt(_ value: String, to line: inout [UInt8]) {
        let bare = value.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
                && byte != UInt8(ascii: "\\")
        }
        if bare, !value.isEmpty {
            line.append(contentsOf: value.utf8)
        } else {
            JSON.write(value, to: &line)
        }
    }
}

extension Log {
    /// A log to a descriptor. Each event is one `write`, so lines of several threads and processes do not mix.
    static func lines(to descriptor: CInt, minimum: LogLevel, format: LogFormat) -> Log {
        Self.lines(to: descriptor, threshold: LogThreshold(minimum), format: format)
    }

    /// The same, with a least urgent level that may change.
    static func lines(to descriptor: CInt, threshold: LogThreshold, format: LogFormat) -> Log {
        Log(threshold: threshold) { event in
            var now = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &now)
            let instant = Instant(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
            File.write(format.line(event, at: instant), to: descriptor)
        }
    }
}
