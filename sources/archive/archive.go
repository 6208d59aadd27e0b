// Package archive reads tar.gz archives that others have written, within bounds, and follows the symbolic links in
// them. It is the only reader of archives: sources read those of upstreams, helmops those that sources have stored.
// It imports nothing of Fairlead.
//
//	tar.gz ─► Budget.Open ─► Reader.Next, Reader.Read ─► entries ─► Inside: a name that stays in the archive
//	             │                                                 └► Follow: where a link leads
//	             └─ spent by what comes out of the decompressor, and by entries; several archives may share one
package archive

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"path"
	"strings"
)

// headerBytes is the room that Room leaves for the headers of a file, with what fills up its last block.
const headerBytes = 8192

// Budget bounds what is read of archives. It is spent by reading, and not safe for concurrent use.
type Budget struct {
	// Bytes are what may come out of the decompressor, headers of the tar included. What is too much is never kept: a
	// few kilobytes can unpack to any size. TooLarge, which must be set, is the error once it is more.
	Bytes    int64
	TooLarge error
	// Entries are how many entries there may be, of all kinds. TooMany is the error once there are more; nil for no
	// bound.
	Entries int
	TooMany error
}

// Room is how many bytes of a Budget files take that have so many bytes together.
func Room(bytes int64, files int) int64 { return bytes + int64(files)*headerBytes }

// Reader reads the entries of an archive one after the other.
type Reader struct {
	// Extra is the extra field of the header of the gzip.
	Extra []byte

	tar    *tar.Reader
	budget *Budget
}

// Open begins to read a tar.gz. The error is that of the decompressor.
func (b *Budget) Open(r io.Reader) (*Reader, error) {
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return &Reader{Extra: unpacked.Extra, tar: tar.NewReader(&metered{unpacked, b}), budget: b}, nil
}

// Next goes to the next entry. The error is io.EOF at the end, TooLarge or TooMany of the budget, or says what is
// broken. Names of entries are as the archive has them; see Inside.
func (r *Reader) Next() (*tar.Header, error) {
	header, err := r.tar.Next()
	if err != nil || r.budget.TooMany == nil {
		return header, err
	}
	if r.budget.Entries <= 0 {
		return nil, r.budget.TooMany
	}
	r.budget.Entries--
	return header, nil
}

// Read implements io.Reader: it reads the content of the entry.
func (r *Reader) Read(p []byte) (int, error) { return r.tar.Read(p) }

// metered spends a budget.
type metered struct {
	r io.Reader
	b *Budget
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if m.b.Bytes < 0 {
		return 0, m.b.TooLarge
	}
	// One byte more than is allowed tells an archive of exactly the limit from a larger one.
	if int64(len(p)) > m.b.Bytes+1 {
		p = p[:m.b.Bytes+1]
	}

	n, err := m.r.Read(p)
	if m.b.Bytes -= int64(n); m.b.Bytes < 0 {
		return n - 1, m.b.TooLarge
	}

	return n, err
}

// Inside returns the clean form of the name of an entry, and whether it stays inside of the archive.
func Inside(name string) (string, bool) {
	clean := path.Clean(name)
	return clean, !path.IsAbs(clean) && clean != ".." && !strings.HasPrefix(clean, "../")
}
