//go:build !purego

#include "textflag.h"

// func fourAVX2(out *[4]float32, a, b []float32, stride int)
//
// For processors with AVX2 and FMA. len(a) is a multiple of 8. Each of the four
// products has two sums, so that no addition waits for the one before.
TEXT ·fourAVX2(SB), NOSPLIT, $0-64
	MOVQ   out+0(FP), DX
	MOVQ   a_base+8(FP), SI
	MOVQ   a_len+16(FP), CX
	MOVQ   b_base+32(FP), R8
	MOVQ   stride+56(FP), AX
	SHLQ   $2, AX
	LEAQ   (R8)(AX*1), R9
	LEAQ   (R9)(AX*1), R10
	LEAQ   (R10)(AX*1), R11
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ   BX, BX

sixteen:
	CMPQ        CX, $16
	JLT         eight
	VMOVUPS     (SI)(BX*1), Y8
	VMOVUPS     32(SI)(BX*1), Y9
	VFMADD231PS (R8)(BX*1), Y8, Y0
	VFMADD231PS (R9)(BX*1), Y8, Y1
	VFMADD231PS (R10)(BX*1), Y8, Y2
	VFMADD231PS (R11)(BX*1), Y8, Y3
	VFMADD231PS 32(R8)(BX*1), Y9, Y4
	VFMADD231PS 32(R9)(BX*1), Y9, Y5
	VFMADD231PS 32(R10)(BX*1), Y9, Y6
	VFMADD231PS 32(R11)(BX*1), Y9, Y7
	ADDQ        $64, BX
	SUBQ        $16, CX
	JMP         sixteen

eight:
	CMPQ        CX, $8
	JLT         sum
	VMOVUPS     (SI)(BX*1), Y8
	VFMADD231PS (R8)(BX*1), Y8, Y0
	VFMADD231PS (R9)(BX*1), Y8, Y1
	VFMADD231PS (R10)(BX*1), Y8, Y2
	VFMADD231PS (R11)(BX*1), Y8, Y3

sum:
	VADDPS       Y4, Y0, Y0
	VADDPS       Y5, Y1, Y1
	VADDPS       Y6, Y2, Y2
	VADDPS       Y7, Y3, Y3
	VHADDPS      Y1, Y0, Y0
	VHADDPS      Y3, Y2, Y2
	VHADDPS      Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVUPS      X0, (DX)
	VZEROUPPER
	RET
