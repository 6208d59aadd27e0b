package promotion

import (
	"slices"
	"time"
)

// GateAttestations is the gate of signed statements beside a chart.
const GateAttestations = "attestations"

// Attestation is what a registry has of the statements about one candidate.
type Attestation struct {
	// Found is set when all are there.
	Found bool
	// Message says who signed them, or what is missing.
	Message string
	// Until is when the registry is asked again.
	Until time.Time
}

// attestations wants signed statements beside the chart. They can come later, so the gate never fails.
func attestations(q question) Gate {
	if !q.stage.Gates.Attested {
		return pass("no attestation is needed")
	}

	a, known := q.stage.Attestations[q.candidate.ID.Chart]
	switch {
	case !known:
		return wait(time.Time{}, "the registry is being asked for its attestations")
	case a.Found:
		return pass("%s", a.Message)
	default:
		return wait(a.Until, "%s", a.Message)
	}
}

// Newer are the candidates that could replace what a stage has by their version, and those that a user names.
func (s *Stage) Newer(candidates []Candidate) []Candidate {
	var found []Candidate
	for _, c := range candidates {
		d := s.Delivery
		newer := d == nil || c.ID != d.ID && (c.compare(d.Candidate) > 0 || s.Gates.Downgrade)
		if newer || slices.ContainsFunc(s.Requests, func(r Request) bool { return r.names(c) }) {
			found = append(found, c)
		}
	}
	return found
}
