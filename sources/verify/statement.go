package verify

import (
	"encoding/json"
	"fmt"
)

// Statement is an in-toto statement about an artifact that a key of the policy has signed.
type Statement struct {
	// Where it was found, and By whom it is signed.
	Where, By string
	// PredicateType says what Predicate, JSON, is.
	PredicateType string
	Predicate     []byte
}

// Statements are the statements about the artifact with a digest that the policy trusts. refused says of the other
// bundles with statements why they do not count; what is no statement is left out.
func (p Policy) Statements(digest string, found []Signed) (trusted []Statement, refused []string) {
	for _, s := range found {
		payload, is := statementIn(s.Bundle)
		if !is {
			continue
		}

		by, err := p.one(digest, s) // it compares the subject of the statement with the digest
		if err != nil {
			refused = append(refused, s.Where+": "+shortened(err.Error()))
			continue
		}

		var statement struct {
			PredicateType string          `json:"predicateType"`
			Predicate     json.RawMessage `json:"predicate"`
		}
		if err := json.Unmarshal(payload, &statement); err != nil {
			refused = append(refused, fmt.Sprintf("%s: its statement cannot be read", s.Where))
			continue
		}

		trusted = append(trusted, Statement{
			Where: s.Where, By: by, PredicateType: statement.PredicateType, Predicate: statement.Predicate,
		})
	}
	return trusted, refused
}

// statementIn is the payload of the envelope in a bundle.
func statementIn(content []byte) ([]byte, bool) {
	var b struct {
		Envelope *struct {
			Payload []byte `json:"payload"`
			Type    string `json:"payloadType"`
		} `json:"dsseEnvelope"`
	}
	if json.Unmarshal(content, &b) != nil || b.Envelope == nil || b.Envelope.Type != "application/vnd.in-toto+json" {
		return nil, false
	}

	return b.Envelope.Payload, true
}
