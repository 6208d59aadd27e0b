package storage

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

	"fairlead.dev/fairlead/helmops/plan"
)

// maxDecoded bounds an unpacked record; a Secret of at most 1 MiB could otherwise unpack to a gigabyte.
const maxDecoded = 64 << 20

// storedRelease is the content of a record.
type storedRelease struct {
	release *release.Release
	// method is how the objects were written; empty where the record does not say.
	method plan.ApplyMethod
	// size of the JSON, in bytes.
	size int
}

// decode unpacks a record. Records of old Helm versions are not compressed.
func decode(data []byte) (storedRelease, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(packed, data)
	if err != nil {
		return storedRelease{}, fmt.Errorf("release record is not base64: %w", err)
	}

	packed = packed[:n]
	var document io.Reader = bytes.NewReader(packed)
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		zip, err := gzip.NewReader(document)
		if err != nil {
			return storedRelease{}, fmt.Errorf("unpacking release record: %w", err)
		}

		document = zip
	}

	body, err := io.ReadAll(io.LimitReader(document, maxDecoded+1))
	if err != nil {
		return storedRelease{}, fmt.Errorf("unpacking release record: %w", err)
	}
	if len(body) > maxDecoded {
		return storedRelease{}, fmt.Errorf("release record is larger than %d bytes", maxDecoded)
	}

	var stored struct {
		release.Release
		ApplyMethod string `json:"apply_method"` // a field of Helm 4
	}
	if err := json.Unmarshal(body, &stored); err != nil {
		// The cause may quote values, which may be secret.
		return storedRelease{}, errors.New("release record is not a Helm release")
	}

	out := storedRelease{release: &stored.Release, method: plan.ApplyMethodOf(stored.ApplyMethod), size: len(body)}
	return out, check(out.release)
}

// check refuses what Helm's actions would crash on.
func check(rel *release.Release) error {
	if rel.Info == nil {
		return errors.New("release record has no info")
	}
	if slices.Contains(rel.Hooks, nil) {
		return errors.New("release record has an empty hook")
	}
	if rel.Chart != nil &&
		(slices.Contains(rel.Chart.Templates, nil) || slices.Contains(rel.Chart.Files, (*chart.File)(nil))) {
		return errors.New("release record has an empty chart file")
	}

	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
