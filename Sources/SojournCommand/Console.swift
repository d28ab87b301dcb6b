/// Text for the person at the terminal.
enum Console {
    /// What was asked for, to standard output.
    static func say(_ text: String) { File.write(Array((text + "\n").utf8), to: 1) }

    /// What went wrong, to standard error.
    static func complain(_ text: String) { File.write(Array((text + "\n").utf8), to: 2) }
}
