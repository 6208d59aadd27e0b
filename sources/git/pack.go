package git

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// inflation is how many times the limit of the files all objects of a pack may have: a pack with history holds many
	// versions of a file, which are read one after the other and never kept.
	inflation = 16
	// objectsPerFile bounds the objects in the same way.
	objectsPerFile = 20
	objectCache    = 8 << 20
)

// pack is a pack in memory, compressed as it came, whose objects are unpacked one at a time.
type pack struct{ file *packfile.Packfile }

// readPack reads a pack, checks that it stays within the limits when unpacked, and indexes it.
func readPack(r io.Reader, l Limits, grow func(int64) error) (p *pack, err error) {
	defer func() {
		// The decoder indexes into what the server sent. A server that makes it stumble must not stop the program.
		if recover() != nil {
			p, err = nil, invalidPack(errors.New("it makes the decoder stumble"))
		}
	}()
	f, err := memfs.New().OpenFile("pack", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, &countedReader{r, grow}); err != nil {
		return nil, err
	}

	needs, err := checkPack(f, l)
	if err != nil {
		return nil, err
	}
	if err := grow(needs); err != nil {
		return nil, err
	}

	writer := new(idxfile.Writer)
	if err := rewind(f); err != nil {
		return nil, err
	}

	parser, err := packfile.NewParser(packfile.NewScanner(f), writer)
	if err != nil {
		return nil, invalidPack(err)
	}
	if _, err := parser.Parse(); err != nil {
		return nil, invalidPack(err)
	}

	index, err := writer.Index()
	if err != nil {
		return nil, invalidPack(err)
	}

	return &pack{packfile.NewPackfileWithCache(index, nil, f, cache.NewObjectLRU(objectCache), 0)}, nil
}

func rewind(f billy.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func invalidPack(err error) error {
	return sources.Fail(v1beta1.InvalidContentReason, err, "the pack cannot be read")
}

// checkPack adds up what the pack says its objects unpack to, before anything is unpacked and kept. The scanner itself
// makes sure that an object does not unpack to more than it says. memory is what unpacking takes beside the pack.
func checkPack(f billy.File, l Limits) (memory int64, err error) {
	if err := rewind(f); err != nil {
		return 0, err
	}

	s := packfile.NewScanner(f)
	_, count, err := s.Header()
	if err != nil {
		return 0, invalidPack(err)
	}
	if int64(count) > int64(l.Files)*objectsPerFile {
		return 0, tooMuch("%d objects", count)
	}

	total := int64(0)
	largest := int64(0)
	for range count {
		h, err := s.NextObjectHeader()
		if err != nil {
			return 0, invalidPack(err)
		}

		size := h.Length
		head := &deltaHead{}
		if _, _, err := s.NextObject(head); err != nil {
			return 0, invalidPack(err)
		}
		if h.Type.IsDelta() {
			size = max(size, head.target())
		}
		if size < 0 || size > l.Bytes {
			return 0, tooMuch("an object of %d bytes", size)
		}

		largest = max(largest, size)
		if total += size; total > l.Bytes*inflation {
			return 0, tooMuch("objects of more than %d bytes together", l.Bytes*inflation)
		}
	}

	return memoryOf(int64(count), largest, total), nil
}

func tooMuch(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "it has %s, more than is allowed", fmt.Sprintf(format, args...))
}

// deltaHead keeps the first bytes of a delta, which say how large its base is and how large what comes out.
type deltaHead struct{ bytes []byte }

const deltaHeadBytes = 20

func (d *deltaHead) Write(p []byte) (int, error) {
	if room := deltaHeadBytes - len(d.bytes); room > 0 {
		d.bytes = append(d.bytes, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// target reads the second of the two numbers, seven bits per byte, least significant first. A number that does not fit
// is negative.
func (d *deltaHead) target() int64 {
	value := int64(0)
	shift := 0
	number := 0
	for _, b := range d.bytes {
		if shift > 56 {
			return -1
		}

		value |= int64(b&0x7f) << shift
		shift += 7
		if b&0x80 != 0 {
			continue
		}
		if number++; number == 2 {
			return value
		}

		value = 0
		shift = 0
	}

	return -1
}

// has reports whether an object is in the pack.
func (p *pack) has(h plumbing.Hash) bool {
	ok, err := p.file.Contains(h)
	return ok && err == nil
}

// tree returns the work tree of a commit.
func (p *pack) tree(commit plumbing.Hash) (*object.Tree, error) {
	encoded, err := p.object(commit)
	if err != nil {
		return nil, err
	}
	c := &object.Commit{}
	if err := c.Decode(encoded); err != nil {
		return nil, invalidPack(err)
	}
	return p.directory(c.TreeHash)
}

func (p *pack) directory(h plumbing.Hash) (*object.Tree, error) {
	encoded, err := p.object(h)
	if err != nil {
		return nil, err
	}
	t := &object.Tree{}
	if err := t.Decode(encoded); err != nil {
		return nil, invalidPack(err)
	}
	return t, nil
}

func (p *pack) object(h plumbing.Hash) (encoded plumbing.EncodedObject, err error) {
	defer func() {
		if recover() != nil {
			encoded, err = nil, invalidPack(errors.New("it makes the decoder stumble"))
		}
	}()
	encoded, err = p.file.Get(h)
	if err != nil {
		return nil, invalidPack(fmt.Errorf("object %s: %w", h, err))
	}

	return encoded, nil
}
