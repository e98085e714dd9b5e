package protocol

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object whose members are read one by one, by their exact
// names: the service does not ignore case as encoding/json does. A member that
// is null is absent. What it does not know it ignores. The first refusal
// sticks.
type object struct {
	members map[string]json.RawMessage
	refusal *Refusal
}

func parseObject(b []byte) object {
	var o object
	if err := json.Unmarshal(b, &o.members); err != nil || o.members == nil {
		o.refusal = invalid(TextParse)
	}
	return o
}

func (o *object) fail(text string) {
	if o.refusal == nil {
		o.refusal = invalid(text)
	}
}

func (o *object) has(name string) bool {
	raw, ok := o.members[name]
	return ok && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// read stores a member that is there; a member of the wrong type is refused.
func (o *object) read(name string, into any) bool {
	if o.refusal != nil || !o.has(name) {
		return false
	}
	if err := json.Unmarshal(o.members[name], into); err != nil {
		o.fail(TextParse)
		return false
	}
	return true
}

// need is read for a member that must be there.
func (o *object) need(name string, into any) {
	if !o.read(name, into) {
		o.fail(TextInvalid)
	}
}

// name reads a member that must be there and not be empty, or too long to be
// a name.
func (o *object) name(name string) string {
	var s string
	o.need(name, &s)
	if s == "" || len(s) > maxName {
		o.fail(TextInvalid)
	}
	return s
}

// is refuses a member that is there and is not want.
func (o *object) is(name, want string) {
	var s string
	if o.read(name, &s) && s != want {
		o.fail(TextInvalid)
	}
}

// object reads a member that is an object; an empty one if it is absent.
func (o *object) object(name string) object {
	var sub object
	if !o.read(name, &sub.members) {
		sub.members = map[string]json.RawMessage{}
	}
	return sub
}

// sub passes the refusal of a member on.
func (o *object) sub(m object) {
	if o.refusal == nil {
		o.refusal = m.refusal
	}
}
