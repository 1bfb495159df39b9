package decode

import (
	"bytes"
	"fmt"
	"regexp"
)

// otherFormat returns the format of an object that is no JSON, by its first bytes; "" if it
// may be JSON.
func otherFormat(data []byte) string {
	for _, kind := range []struct{ magic, name string }{
		{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"},
		{"{\x00\x00\x00", "UTF-32"}, {"[\x00\x00\x00", "UTF-32"}, {"\x00\x00\x00{", "UTF-32"}, {"\x00\x00\x00[", "UTF-32"},
		{"\xff\xfe?\x00", "UTF-16"}, {"{\x00?\x00", "UTF-16"}, {"[\x00?\x00", "UTF-16"},
		{"\xfe\xff\x00?", "UTF-16"}, {"\x00{\x00?", "UTF-16"}, {"\x00[\x00?", "UTF-16"},
		{"PK\x03\x04", "a zip file"}, {"PK\x05\x06", "a zip file"}, {"7z\xbc\xaf\x27\x1c", "a 7z file"}, {"Rar!\x1a", "a rar file"},
		{"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x04\x22\x4d\x18", "lz4"}, {"\x1f\x9d", "compress"},
		{"PAR1", "Parquet"}, {"Obj\x01", "Avro"}, {"ORC", "ORC"}, {"%PDF", "a PDF"}, {"SQLite format 3\x00", "a SQLite file"},
		{"<!DOCTYPE", "XML or HTML"}, {"<!doctype", "XML or HTML"}, {"<?xml", "XML or HTML"}, {"<html", "XML or HTML"}, {"<", "XML or HTML"},
	} {
		if begins(data, kind.magic) {
			return kind.name
		}
	}
	const tarMagic, tarOffset = "ustar", 257 // POSIX.1, pax, ustar interchange format
	// NULs end the texts of the header; JSON has none.
	if len(data) > tarOffset && bytes.HasPrefix(data[tarOffset:], []byte(tarMagic)) && bytes.IndexByte(data[:tarOffset], 0) >= 0 {
		return "a tar file"
	}
	return ""
}

// nextUpdate is the beginning of an update in a line of its own.
var nextUpdate = regexp.MustCompile(`\n\{\s*"`)

// begins reports whether data begins with a magic number, in which ? is any byte. One of up
// to four letters may also be that of a broken line, if an update follows soon.
func begins(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	weak := len(magic) <= 4
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
		weak = weak && magic[i] >= ' ' && magic[i] <= '~'
	}
	return !weak || !nextUpdate.Match(data[:min(len(data), smallWindow)])
}

// otherFormatReason returns the reason for an object that is no JSON at all; "" if it may be.
func (d *decoder) otherFormatReason() string {
	data := d.window.data()
	if inner := format(data[:min(len(data), 4)]); inner != formatPlain {
		return fmt.Sprintf("object: found %s inside %s, expected it compressed once", inner, d.window.text.format)
	}
	name := otherFormat(data)
	switch {
	case name == "":
		return ""
	case d.window.text.format != formatPlain:
		name += " inside " + d.window.text.format
	}
	return "object: found " + name + ", expected JSON in UTF-8, plain or compressed by gzip or zstd"
}
