package compose

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"helm.sh/helm/v3/pkg/chartutil"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// maxMerged is how large a YAML file may be that is merged, in bytes.
const maxMerged = 5 << 20

// content is where the content of a file is.
type content struct {
	at   int64
	size int64
	exec bool
}

// spool keeps the content of files one after the other.
type spool struct {
	scratch Scratch
	at      int64
	left    int64
}

// keep adds the content of a file.
func (s *spool) keep(r io.Reader, exec bool) (content, error) {
	kept := content{at: s.at, exec: exec}
	// One byte more than is allowed tells a file of exactly the limit from a larger one.
	size, err := io.Copy(s.scratch, io.LimitReader(r, s.left+1))
	s.at += size
	s.left -= size
	if err != nil {
		return content{}, err
	}
	if s.left < 0 {
		return content{}, fmt.Errorf("the files of the artifact have more than the %d bytes that are allowed", s.at-1)
	}

	kept.size = size
	return kept, nil
}

// open returns the content of a file.
func (s *spool) open(file content) io.Reader {
	return io.NewSectionReader(s.scratch, file.at, file.size)
}

// merge adds the YAML of two files, of which the second counts.
func (s *spool) merge(base, over content) (content, error) {
	under, err := s.object(base)
	if err != nil {
		return content{}, fmt.Errorf("the file that is there before: %w", err)
	}

	top, err := s.object(over)
	if err != nil {
		return content{}, err
	}

	merged, err := yaml.Marshal(chartutil.MergeTables(top, under))
	if err != nil {
		return content{}, errors.New("the merged YAML cannot be written")
	}

	return s.keep(bytes.NewReader(merged), false)
}

// object reads the documents of a YAML file as one object. Errors do not quote it: it may have secrets.
func (s *spool) object(file content) (map[string]any, error) {
	if file.size > maxMerged {
		return nil, fmt.Errorf("it has more than the %d bytes that YAML files may have to be merged", maxMerged)
	}

	raw, err := io.ReadAll(s.open(file))
	if err != nil {
		return nil, err
	}

	found := map[string]any{}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, errors.New("it is not YAML")
		}

		values := map[string]any{}
		if err := yaml.Unmarshal(document, &values); err != nil {
			return nil, errors.New("it is not a YAML object")
		}

		found = chartutil.MergeTables(values, found)
	}
}
