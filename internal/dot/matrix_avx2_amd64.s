//go:build !purego

#include "textflag.h"

// These are for processors with AVX2 and FMA.

// func matVecAVX2(out, m, v []float32)
//
// len(out) is a multiple of 4, len(v) one of 8. Four rows are multiplied at once, each
// into two sums, so that no addition waits for the one before, and the next four are
// fetched meanwhile: they are as likely as not to come from far away.
TEXT ·matVecAVX2(SB), NOSPLIT, $0-72
	MOVQ out_base+0(FP), DX
	MOVQ out_len+8(FP), DI
	MOVQ m_base+24(FP), R8
	MOVQ v_base+48(FP), SI
	MOVQ v_len+56(FP), AX
	SHLQ $2, AX                // the bytes of a row
	LEAQ (R8)(AX*4), R12
	JMP  rowsLeft

rows:
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
	MOVQ   AX, CX
	XORQ   BX, BX

sixteen:
	CMPQ        CX, $64
	JLT         eight
	PREFETCHT0  (R12)
	PREFETCHT0  64(R12)
	PREFETCHT0  128(R12)
	PREFETCHT0  192(R12)
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
	ADDQ        $256, R12
	ADDQ        $64, BX
	SUBQ        $64, CX
	JMP         sixteen

eight:
	CMPQ        CX, $32
	JLT         sum
	VMOVUPS     (SI)(BX*1), Y8
	VFMADD231PS (R8)(BX*1), Y8, Y0
	VFMADD231PS (R9)(BX*1), Y8, Y1
	VFMADD231PS (R10)(BX*1), Y8, Y2
	VFMADD231PS (R11)(BX*1), Y8, Y3
	ADDQ        $128, R12

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
	ADDQ         $16, DX
	LEAQ         (R8)(AX*4), R8

rowsLeft:
	SUBQ $4, DI
	JGE  rows
	VZEROUPPER
	RET

// func matFourAVX2(out [][4]float32, m, v []float32, n, stride int)
//
// len(out) is a multiple of 2, n one of 8. Two rows are multiplied by the four vectors
// at once: six reads for eight products.
TEXT ·matFourAVX2(SB), NOSPLIT, $0-88
	MOVQ out_base+0(FP), DX
	MOVQ out_len+8(FP), R13
	MOVQ m_base+24(FP), SI
	MOVQ v_base+48(FP), R8
	MOVQ n+72(FP), CX
	MOVQ stride+80(FP), AX
	SHLQ $2, AX
	SHLQ $2, CX                // the bytes of a row
	LEAQ (R8)(AX*1), R9
	LEAQ (R9)(AX*1), R10
	LEAQ (R10)(AX*1), R11
	LEAQ (SI)(CX*2), R12
	JMP  pairsLeft

pair:
	LEAQ   (SI)(CX*1), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ   BX, BX
	JMP    productsLeft

products:
	PREFETCHT0  (R12)
	VMOVUPS     (SI)(BX*1), Y8
	VMOVUPS     (DI)(BX*1), Y9
	VMOVUPS     (R8)(BX*1), Y10
	VMOVUPS     (R9)(BX*1), Y11
	VFMADD231PS Y10, Y8, Y0
	VFMADD231PS Y10, Y9, Y4
	VMOVUPS     (R10)(BX*1), Y12
	VFMADD231PS Y11, Y8, Y1
	VFMADD231PS Y11, Y9, Y5
	VMOVUPS     (R11)(BX*1), Y13
	VFMADD231PS Y12, Y8, Y2
	VFMADD231PS Y12, Y9, Y6
	VFMADD231PS Y13, Y8, Y3
	VFMADD231PS Y13, Y9, Y7
	ADDQ        $64, R12
	ADDQ        $32, BX

productsLeft:
	CMPQ BX, CX
	JLT  products

	VHADDPS      Y1, Y0, Y0
	VHADDPS      Y3, Y2, Y2
	VHADDPS      Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVUPS      X0, (DX)
	VHADDPS      Y5, Y4, Y4
	VHADDPS      Y7, Y6, Y6
	VHADDPS      Y6, Y4, Y4
	VEXTRACTF128 $1, Y4, X5
	VADDPS       X5, X4, X4
	VMOVUPS      X4, 16(DX)
	ADDQ         $32, DX
	LEAQ         (SI)(CX*2), SI

pairsLeft:
	SUBQ $2, R13
	JGE  pair
	VZEROUPPER
	RET
