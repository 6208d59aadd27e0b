package records

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
)

// maxDecoded bounds an unpacked record; a Secret of at most 1 MiB could otherwise unpack to a gigabyte.
const maxDecoded = 64 << 20

// decode unpacks a record and tells the size it unpacks to. Records of old Helm versions are not compressed.
func decode(data []byte) (*release.Release, int, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(packed, data)
	if err != nil {
		return nil, 0, fmt.Errorf("release record is not base64: %w", err)
	}
	packed = packed[:n]
	var document io.Reader = bytes.NewReader(packed)
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		zip, err := gzip.NewReader(document)
		if err != nil {
			return nil, 0, fmt.Errorf("unpacking release record: %w", err)
		}
		document = zip
	}
	body, err := io.ReadAll(io.LimitReader(document, maxDecoded+1))
	if err != nil {
		return nil, 0, fmt.Errorf("unpacking release record: %w", err)
	}
	if len(body) > maxDecoded {
		return nil, 0, fmt.Errorf("release record is larger than %d bytes", maxDecoded)
	}
	rel := &release.Release{}
	if err := json.Unmarshal(body, rel); err != nil {
		// The cause may quote values, which may be secret.
		return nil, 0, errors.New("release record is not a Helm release")
	}
	return rel, len(body), check(rel)
}

// check refuses what Helm's actions would crash on.
func check(rel *release.Release) error {
	if rel.Info == nil {
		return errors.New("release record has no info")
	}
	if slices.Contains(rel.Hooks, nil) {
		return errors.New("release record has an empty hook")
	}
	if rel.Chart != nil && (slices.Contains(rel.Chart.Templates, nil) || slices.Contains(rel.Chart.Files, (*chart.File)(nil))) {
		return errors.New("release record has an empty chart file")
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
