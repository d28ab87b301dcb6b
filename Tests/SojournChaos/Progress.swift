import Foundation
import Glibc

/// What is said while a run goes on, on standard error.
enum Progress {
    private static let isTerminal = isatty(2) == 1

    static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    /// One line that is written over by the next one, or on no terminal one in ten.
    static func line(_ text: String, _ number: Int) {
        if self.isTerminal {
            FileHandle.standardError.write(Data("\r\u{1B}[K\(text.prefix(150))".utf8))
        } else if number % 10 == 0 {
            self.say(text)
        }
    }

    static func endLine() { if self.isTerminal { self.say("") } }
}
