package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
)

// tarball packs files of a size each.
func tarball(t *testing.T, count, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	content := make([]byte, size)
	for n := range count {
		if err := w.WriteHeader(
			&tar.Header{
				Name: fmt.Sprintf("dir/%d.yaml", n), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(size),
			}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sparse is a small archive with files that are holes of 8 MiB each.
func sparse(t *testing.T, count int) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	record := func(key, value string) string {
		text := fmt.Sprintf(" %s=%s\n", key, value)
		size := len(text) + 2
		if size >= 100 {
			t.Fatal("the record is too long")
		}
		return fmt.Sprintf("%d%s", size, text)
	}
	records := record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.numblocks", "1") +
		record("GNU.sparse.map", "8388608,0") + record("GNU.sparse.size", "8388608")
	for n := range count {
		writeRaw(t, zip, "pax", 'x', records)
		writeRaw(t, zip, fmt.Sprintf("%d.yaml", n), '0', "")
	}
	if _, err := zip.Write(make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// writeRaw writes one entry, as tar.Writer would not.
func writeRaw(t *testing.T, w *gzip.Writer, name string, kind byte, content string) {
	t.Helper()
	block := make([]byte, 512+(len(content)+511)/512*512)
	copy(block[512:], content)
	copy(block, name)
	copy(block[100:], "0000644\x000000000\x000000000\x00")
	copy(block[124:], fmt.Sprintf("%011o\x00%011o\x00", len(content), 0))
	copy(block[148:], "        ")
	block[156] = kind
	copy(block[257:], "ustar\x0000")
	sum := 0
	for _, b := range block[:512] {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	if _, err := w.Write(block); err != nil {
		t.Fatal(err)
	}
}

// What is reserved before an archive is unpacked is at least what it takes then.
func TestMeasureCoversWhatReadKeeps(t *testing.T) {
	t.Parallel()
	for _, archive := range [][]byte{
		tarball(t, 0, 0), tarball(t, 1, 9<<20), tarball(t, 3, 1<<20), tarball(t, 500, 10), sparse(t, 2),
	} {
		measured, err := Measure(bytes.NewReader(archive), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		read, err := Read(bytes.NewReader(archive), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var content int64
		for _, file := range read.files {
			content += int64(len(file))
		}
		if measured < content || measured > content+int64(600*(1+len(read.files)+len(read.large))) {
			t.Errorf("%d bytes are measured, %d are kept", measured, content)
		}
		if read.Memory() < content {
			t.Errorf("%d bytes are counted, %d are kept", read.Memory(), content)
		}
	}
}

// A small archive of holes claims what it would take.
func TestMeasureCountsHoles(t *testing.T) {
	t.Parallel()
	archive := sparse(t, 100)
	if len(archive) > 64<<10 {
		t.Fatalf("the archive has %d bytes", len(archive))
	}
	if bytes, err := Measure(bytes.NewReader(archive), Limits{Bytes: 64 << 20, Files: 200}); err == nil ||
		!strings.Contains(err.Error(), "unpacks to more than") {
		t.Errorf("%d bytes, %v", bytes, err)
	}
}

func TestMeasureRefusesWhatReadDoes(t *testing.T) {
	t.Parallel()
	for name, archive := range map[string][]byte{
		"no archive": []byte("hello"), "cut off": tarball(t, 3, 1000)[:100], "many files": tarball(t, 30, 1),
	} {
		_, measured := Measure(bytes.NewReader(archive), Limits{Files: 20})
		_, read := Read(bytes.NewReader(archive), Limits{Files: 20})
		if measured == nil || read == nil || measured.Error() != read.Error() {
			t.Errorf("%s: measured %v, read %v", name, measured, read)
		}
	}
}
