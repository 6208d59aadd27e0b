package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// kind of a frame.
type kind byte

// Frames between parent and child. The parent begins with a task; the child asks any number of questions, reports the
// file that it works on, and ends with an answer or a failure.
const (
	frameTask     kind = 't' // parent: name of the job, 0, input
	frameAnswer   kind = 'a' // parent: answer of the host
	frameRefusal  kind = 'r' // parent: error of the host
	frameQuestion kind = 'q' // child
	frameFile     kind = 'f' // child: what is worked on now
	frameOutput   kind = 'o' // child: output of the job
	frameFailure  kind = 'e' // child: a failure, encoded
	frameTooLarge kind = 'l' // child: the output was larger than the bound
)

// maxTask bounds what a parent sends: charts and trees are bounded where they are read.
const maxTask = 512 << 20

var errFrame = errors.New("the other side does not speak the protocol")

func writeFrame(w io.Writer, k kind, parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}

	header := make([]byte, 5, 5+min(size, 4096))
	header[0] = byte(k)
	binary.BigEndian.PutUint32(header[1:], uint32(size)) // both sides bound what they send
	if size <= 4096 {
		for _, part := range parts {
			header = append(header, part...)
		}

		_, err := w.Write(header)
		return err
	}

	if _, err := w.Write(header); err != nil {
		return err
	}

	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}

	return nil
}

// errFrameSize says that the other side announced a frame that is too large.
var errFrameSize = fmt.Errorf("a frame is too large: %w", errFrame)

func readFrame(r io.Reader, most int64) (kind, []byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}

	size := int64(binary.BigEndian.Uint32(header[1:]))
	if size > most {
		return 0, nil, errFrameSize
	}

	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return kind(header[0]), body, err
}
