package promotion

import (
	"cmp"
	"slices"
	"time"
)

// Record is the audit record of one delivery to a stage.
type Record struct {
	Candidate

	// Number of the delivery; later ones have higher numbers.
	Number int64
	// Cause of the delivery, and what the record says about it.
	Cause, Reason string
	// Verified and Rejected are the verdict; both are false when there is none.
	Verified, Rejected bool
	// At is when the record was made.
	At time.Time
	// Ended is when there was a verdict; zero when there is none.
	Ended time.Time
}

// Remains are what exists of a stage outside of the status of its pipeline.
type Remains struct {
	// Known is the number of the last delivery in the status.
	Known int64
	// Source is the candidate that the source of the stage points to; its digest is empty when there is no source.
	Source Candidate
	// Records of the stage, in any order.
	Records []Record
}

// newest is the highest number of the records.
func (r Remains) newest() (number int64) {
	for _, record := range r.Records {
		number = max(number, record.Number)
	}
	return number
}

// Rebuild returns a stage whose status was lost, or is older than its records: with the candidate that its source
// points to, and with the verdicts of the records. The number is that of the last delivery. rebuilt is false, and the
// stage unchanged, when the status knows all. What was not verified gets the whole deadline again. Only what the
// releases verify now counts as verified without a break.
func (s Stage) Rebuild(r Remains, now time.Time) (stage Stage, number int64, rebuilt bool) {
	newest := r.newest()
	lost := s.Delivery == nil && r.Source.ID.Chart != ""
	if newest <= r.Known && !lost {
		return s, r.Known, false
	}

	records := slices.Clone(r.Records)
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.Number, b.Number) })
	s.Verified, s.Rejected = slices.Clone(s.Verified), slices.Clone(s.Rejected)
	for i, record := range records {
		s.remember(record, r.Known)
		if s.recorded(record.ID) == "" && record.rejects(records[i+1:]) {
			s.Rejected = append(s.Rejected, Rejection{ID: record.ID, Reason: rejectionOf(records[i:])})
		}
	}

	s.Verified = s.Verified[max(0, len(s.Verified)-maxRemembered):]
	s.Rejected = s.Rejected[max(0, len(s.Rejected)-maxRemembered):]
	has := r.delivered(records)
	if has == nil {
		return s, newest, true
	}

	cause := cmp.Or(has.Cause, CauseAuto)
	s.Delivery = &Delivery{Candidate: has.Candidate, Cause: cause, At: now, Verified: has.Verified}
	if has.Verified {
		s.Delivery.At = has.At
	}
	if s.OnFailure == Hold && s.HeldBy == "" && (has.Rejected || has.Cause == CauseRollback) {
		s.HeldBy = "the last candidate was rejected"
	}
	if has.Number == newest && newest > 0 {
		return s, newest, true
	}

	return s, max(newest, r.Known) + 1, true // the delivery gets a record of its own
}

// rejects reports whether a record keeps its candidate out, with the records after it: not when the stage got it again,
// since a user has let it in. Going back to it is no such case.
func (r Record) rejects(later []Record) bool {
	return r.Rejected && !slices.ContainsFunc(later, func(other Record) bool {
		return other.ID == r.ID && !other.Rejected && other.Cause != CauseRollback
	})
}

// remember adds what a record says was verified and the status does not have.
func (s *Stage) remember(r Record, known int64) {
	if !r.Verified {
		return
	}

	i := slices.IndexFunc(s.Verified, func(v Verification) bool { return v.ID == r.ID })
	switch {
	case i < 0:
		s.Verified = append(s.Verified, Verification{Candidate: r.Candidate, At: r.Ended})
	case r.Number > known: // it was verified again
		again := s.Verified[i]
		s.Verified = append(slices.Delete(s.Verified, i, i+1), again)
	}
}

// rejectionOf says why the candidate of the first record was rejected: the record of the rollback after it does.
func rejectionOf(records []Record) string {
	if len(records) > 1 && records[1].Cause == CauseRollback && records[1].Reason != "" {
		return records[1].Reason
	}
	return "a Promotion of it says Rejected"
}

// delivered is the record of what the stage has: that of the source; without a source the last one that was not
// rejected; nil for none.
func (r Remains) delivered(records []Record) *Record {
	for _, record := range slices.Backward(records) {
		if record.ID == r.Source.ID || r.Source.ID.Chart == "" && !record.Rejected {
			return &record
		}
	}
	if r.Source.ID.Chart == "" {
		return nil
	}
	return &Record{Candidate: r.Source}
}
