package decode

import (
	"bytes"
	"fmt"
)

// foreign names what an object is that holds no JSON, by its first bytes; empty if
// it may be JSON.
func foreign(data []byte) string {
	for _, kind := range []struct{ magic, name string }{
		{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"}, {"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
		{"{\x00\x00\x00", "UTF-32"}, {"[\x00\x00\x00", "UTF-32"}, {"\x00\x00\x00{", "UTF-32"}, {"\x00\x00\x00[", "UTF-32"},
		{"{\x00", "UTF-16"}, {"[\x00", "UTF-16"}, {"\x00{", "UTF-16"}, {"\x00[", "UTF-16"},
		{"PK\x03\x04", "a zip file"}, {"PK\x05\x06", "a zip file"}, {"7z\xbc\xaf\x27\x1c", "a 7z file"}, {"Rar!", "a rar file"},
		{"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x04\x22\x4d\x18", "lz4"}, {"\x1f\x9d", "compress"},
		{"PAR1", "Parquet"}, {"Obj\x01", "Avro"}, {"ORC", "ORC"}, {"%PDF", "a PDF"}, {"SQLite format 3\x00", "a SQLite file"},
		{"<", "XML or HTML"},
	} {
		if bytes.HasPrefix(data, []byte(kind.magic)) {
			return kind.name
		}
	}
	const tarMagic, tarOffset = "ustar", 257
	if len(data) > tarOffset && bytes.HasPrefix(data[tarOffset:], []byte(tarMagic)) {
		return "a tar file"
	}
	return ""
}

// foreignReason is the reason for an object whose text is no JSON at all, empty if it
// may be.
func (d *decoder) foreignReason() string {
	data := d.data()
	if inner := format(data[:min(len(data), 4)]); inner != formatPlain {
		return fmt.Sprintf("object: found %s inside %s, expected it compressed once", inner, d.format)
	}
	name := foreign(data)
	switch {
	case name == "":
		return ""
	case d.format != formatPlain:
		name += " inside " + d.format
	}
	return "object: found " + name + ", expected JSON in UTF-8, plain or compressed by gzip or zstd"
}
