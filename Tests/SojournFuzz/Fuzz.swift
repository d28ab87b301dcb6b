import Glibc

/// Something that reads bytes of strangers, and what must be true of it whatever they are.
///
/// `check` stops the process when it is not; so do overflows, indices out of range, and addresses that are not ours.
protocol FuzzTarget: Sendable {
    init()
    func check(_ input: [UInt8])
}

/// What `ops/fuzz` can run. The name is also the folder of the seeds in `Corpus`.
let targets: [String: any FuzzTarget.Type] = [
    "resp": RESPTarget.self, "json": JSONTarget.self, "head": HeadTarget.self, "query": QueryTarget.self,
    "websocket": WebSocketTarget.self, "cursor": CursorTarget.self, "token": TokenTarget.self,
    "config": ConfigTarget.self,
]

private let target: any FuzzTarget = {
    let name = getenv("SOJOURN_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let type = targets[name] else {
        fatalError("SOJOURN_FUZZ_TARGET must be one of: \(targets.keys.sorted().joined(separator: ", "))")
    }
    return type.init()
}()

/// libFuzzer's loop (llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library"): calls the function with each input.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main
struct Fuzz {
    static func main() {
        var (count, arguments) = (CommandLine.argc, CommandLine.unsafeArgv)
        let code = runFuzzer(&count, &arguments) { bytes, count in
            target.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
            return 0
        }
        exit(code)
    }
}

/// Cuts bytes into pieces of the lengths that a few of them say, as a network would.
func pieces(of input: [UInt8]) -> [ArraySlice<UInt8>] {
    guard let first = input.first else { return [] }
    var (rest, pieces) = (input.dropFirst(), [ArraySlice<UInt8>]())
    var length = Int(first)
    while !rest.isEmpty {
        // The lengths must vary, but be the same each time.
        length = (length &* 31 &+ rest.count) % 61 + 1
        pieces.append(rest.prefix(length))
        rest = rest.dropFirst(length)
    }
    return pieces
}
