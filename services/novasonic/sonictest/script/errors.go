package script

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/parley-go/parley/internal/nearest"
)

// Error is a mistake in a script.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 if the mistake is in the file as a whole
	Message      string // what is wrong and how to mend it, one line
}

// Error returns "file:line:column: message".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// fault makes an Error at a token.
func fault(file string, at *token.Token, format string, arguments ...any) *Error {
	e := &Error{File: file, Message: oneLine(fmt.Sprintf(format, arguments...))}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	return e
}

// faultOf makes an Error of one of the YAML library's.
func faultOf(file string, err error) *Error {
	var at yaml.Error
	if !errors.As(err, &at) {
		return fault(file, nil, "%v", err)
	}
	message := at.GetMessage()
	switch e := at.(type) {
	case *yaml.SyntaxError:
		if strings.Contains(message, "already defined") {
			message += ": take one of them out"
		} else {
			message = "this is not YAML: " + message + " (look at the indentation, brackets and quotes here)"
		}
	case *yaml.OverflowError:
		message = fmt.Sprintf("%s is too large a number", e.SrcNum)
	case *yaml.TypeError:
		message = fmt.Sprintf("this should be %s, not %s", describeType(e.DstType), describeType(e.SrcType))
	case *yaml.UnexpectedNodeTypeError:
		message = fmt.Sprintf("this should be a %s, not a %s", describeNode(e.Expected), describeNode(e.Actual))
	}
	return fault(file, at.GetToken(), "%s", message)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// fieldsInstead names the field of a mapping that was probably meant, or all that
// it can have.
func fieldsInstead(name string, mapping reflect.Type) string {
	var known []string
	for i := range mapping.NumField() {
		known = append(known, mapping.Field(i).Tag.Get("yaml"))
	}
	if meant := nearest.To(name, known); meant != "" {
		return fmt.Sprintf(": did you mean %q?", meant)
	}
	slices.Sort(known)
	return ": here can be " + strings.Join(known, ", ")
}

func describeType(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping (name: value)"
	}
	return t.String()
}

func describeNode(t ast.NodeType) string {
	switch t {
	case ast.SequenceType:
		return "list"
	case ast.MappingType, ast.MappingValueType:
		return "mapping (name: value)"
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.IntegerType, ast.FloatType:
		return "number"
	case ast.NullType:
		return "nothing"
	}
	return strings.ToLower(t.String())
}
