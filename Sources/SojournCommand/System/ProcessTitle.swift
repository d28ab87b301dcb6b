import Glibc

/// What `ps` shows of this process.
enum ProcessTitle {
    /// Blots out the values of these flags in the memory from which the kernel tells the arguments (proc(5): the fields
    /// `arg_start` and `arg_end` of `stat`), which every user of the machine may read. Does nothing where the system does
    /// not say where that is.
    static func hide(_ flags: [String]) {
        guard let stat = File.text("/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return }
        // The name may have spaces; the field behind it is the third.
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 46, let first = UInt(fields[45]), let last = UInt(fields[46]), last > first,
            let memory = unsafe UnsafeMutablePointer<UInt8>(bitPattern: first)
        else { return }
        let bytes = unsafe UnsafeMutableBufferPointer(start: memory, count: Int(last - first))
        let names = flags.map { Array($0.utf8) }
        var hidesNext = false
        var start = 0
        for place in bytes.indices where unsafe bytes[place] == 0 {
            let word = unsafe Array(bytes[start..<place])
            if hidesNext {
                unsafe Self.blot(bytes, from: start, to: place)
                hidesNext = false
            } else if names.contains(word) {
                hidesNext = true
            } else if let name = names.first(where: { word.starts(with: $0 + [UInt8(ascii: "=")]) }) {
                unsafe Self.blot(bytes, from: start + name.count + 1, to: place)
            }
            start = place + 1
        }
    }

    private static func blot(_ bytes: UnsafeMutableBufferPointer<UInt8>, from: Int, to: Int) {
        for place in from..<to { unsafe bytes[place] = UInt8(ascii: "x") }
    }
}
