import CSQLite

/// A value that can stand for a `?` of a statement. SQLite copies it, so it need not outlive the call.
protocol Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32
}

extension Int64: Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        unsafe sqlite3_bind_int64(statement, index, self)
    }
}

extension Int: Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        unsafe sqlite3_bind_int64(statement, index, Int64(self))
    }
}

extension String: Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        var text = self
        return text.withUTF8 { utf8 in
            // An empty string may have no address, which SQLite would take for NULL.
            guard let start = utf8.baseAddress else { return unsafe sojourn_bind_text(statement, index, "", 0) }
            return unsafe start.withMemoryRebound(to: CChar.self, capacity: utf8.count) {
                unsafe sojourn_bind_text(statement, index, $0, UInt64(utf8.count))
            }
        }
    }
}

extension [UInt8]: Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        unsafe self.withUnsafeBytes { bytes in
            // No address means NULL to SQLite; an empty blob is not NULL.
            guard let start = bytes.baseAddress else { return unsafe sqlite3_bind_zeroblob(statement, index, 0) }
            return unsafe sojourn_bind_blob(statement, index, start, UInt64(bytes.count))
        }
    }
}

extension Optional: Bindable where Wrapped: Bindable {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        if let value = self { return unsafe value.bind(to: statement, at: index) }
        return unsafe sqlite3_bind_null(statement, index)
    }
}
