package redact

// Error returns an error with the secrets replaced in its text; err itself, nil included, when its text shows none. The
// result wraps err, so that its reason and type stay known. Do not print what it wraps.
func (m Mask) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	shown := m.Apply(text)
	if shown == text {
		return err
	}
	return &maskedError{text: shown, cause: err}
}

// maskedError is an error with another text.
type maskedError struct {
	text  string
	cause error
}

// Error implements error.
func (e *maskedError) Error() string { return e.text }

// Unwrap returns the error with its original text.
func (e *maskedError) Unwrap() error { return e.cause }
