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

	"helm.sh/helm/v3/pkg/release"
)

// maxDecoded bounds an unpacked record; a Secret of at most 1 MiB could otherwise unpack to a gigabyte.
const maxDecoded = 64 << 20

// encode packs a release the way Helm 3 does: JSON, gzip, base64.
func encode(rel *release.Release) ([]byte, error) {
	var packed bytes.Buffer
	base := base64.NewEncoder(base64.StdEncoding, &packed)
	zip, err := gzip.NewWriterLevel(base, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(zip).Encode(rel); err != nil {
		return nil, err
	}
	if err := errors.Join(zip.Close(), base.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// decode unpacks a record. Records of old Helm versions are not compressed.
func decode(data []byte) (*release.Release, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(packed, data)
	if err != nil {
		return nil, fmt.Errorf("release record is not base64: %w", err)
	}
	var document io.Reader = bytes.NewReader(packed[:n])
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		zip, err := gzip.NewReader(document)
		if err != nil {
			return nil, fmt.Errorf("unpacking release record: %w", err)
		}
		document = zip
	}
	body, err := io.ReadAll(io.LimitReader(document, maxDecoded+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking release record: %w", err)
	}
	if len(body) > maxDecoded {
		return nil, fmt.Errorf("release record is larger than %d bytes", maxDecoded)
	}
	rel := &release.Release{}
	if err := json.Unmarshal(body, rel); err != nil {
		// The cause may quote values, which may be secret.
		return nil, errors.New("release record is not a Helm release")
	}
	if rel.Info == nil {
		return nil, errors.New("release record has no info")
	}
	return rel, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
