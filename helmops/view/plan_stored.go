package view

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxStoredPlan bounds what is unpacked of a stored plan, in bytes.
const maxStoredPlan = 64 << 20

// EncodePlan writes a plan as the content of a ReleasePlan. A plan that is too large loses objects, the least risky ones
// first; dropped says how many.
func EncodePlan(p Plan) (content []byte, dropped int, err error) {
	return encodePlan(p, v1beta1.MaxPlanContent)
}

func encodePlan(p Plan, limit int) (content []byte, dropped int, err error) {
	all := p.Objects
	for keep := len(all); ; keep /= 2 {
		p.Objects = all[:keep]
		content, err = compressed(p)
		if err != nil {
			return nil, 0, fmt.Errorf("encode plan %s: %w", p.Digest, err)
		}
		if len(content) <= limit {
			return content, len(all) - keep, nil
		}
		if keep == 0 {
			return nil, 0, fmt.Errorf("encode plan %s: %d bytes without any object, more than %d", p.Digest, len(content), limit)
		}
	}
}

func compressed(p Plan) ([]byte, error) {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if err := json.NewEncoder(writer).Encode(p); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// DecodePlan reads the content of a ReleasePlan.
func DecodePlan(content []byte) (Plan, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return Plan{}, fmt.Errorf("decode the plan: %w", err)
	}

	limited := io.LimitReader(reader, maxStoredPlan+1)
	unpacked, err := io.ReadAll(limited)
	switch {
	case err != nil:
		return Plan{}, fmt.Errorf("decode the plan: %w", err)
	case len(unpacked) > maxStoredPlan:
		return Plan{}, fmt.Errorf("decode the plan: it has more than %d bytes", maxStoredPlan)
	}

	var p Plan
	if err := json.Unmarshal(unpacked, &p); err != nil {
		return Plan{}, fmt.Errorf("decode the plan: %w", err)
	}

	return p, nil
}
