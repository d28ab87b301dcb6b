import SojournCore
import SojournStore

@testable import SojournServer

/// JSON bodies: what is read is written so that it reads the same, and the rules of bodies hold for any of it.
struct JSONTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        guard let json = try? JSON.parse(input) else { return }
        let written = json.bytes
        guard let again = try? JSON.parse(written) else { fatalError("what was written cannot be read") }
        precondition(again == json && again.bytes == written, "what was written reads differently")
        precondition(written.count == json.text.utf8.count, "the text is not UTF-8")
        for value in [json, json["content"], json["metadata"], json["conversationKey"], json["ifBusy"]] {
            if let text = value?.string { _ = try? Input.content(text) }
            if let metadata = try? Input.metadata(value) {
                precondition(JSON.object(metadata).text.utf16.count <= Input.metadataUnits)
            }
            _ = try? Input.conversationKey(value)
            _ = try? Input.ifBusy(value)
            _ = try? Agent(id: "a", settings: value ?? .null)
        }
        _ = try? SocketOperation(input)
        _ = Event(bytes: input)
    }
}
