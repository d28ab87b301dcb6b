import SojournArchive
import SojournCore

/// Text for the person at the terminal.
enum Console {
    /// What was asked for, to standard output.
    static func say(_ text: String) { File.write(Array((text + "\n").utf8), to: 1) }

    /// What went wrong, to standard error.
    static func complain(_ text: String) { File.write(Array((text + "\n").utf8), to: 2) }

    /// What a person is told of an error: without the code for programs and the place in the source.
    static func sentence(for error: any Error) -> String {
        switch error {
        case let error as StoreError: error.message
        case let error as ArchiveError: error.message + (error.name.map { " (\($0))" } ?? "")
        default: "\(error)"
        }
    }
}
