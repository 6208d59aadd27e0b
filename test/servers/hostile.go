package servers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// Archive is a tar.gz with entries that BuildChart would not make.
func Archive(entries ...tar.Header) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for i := range entries {
		h := entries[i]
		h.Mode = 0o644
		if err := archive.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(archive, zeros{}, h.Size); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
