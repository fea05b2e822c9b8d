/* SPDX-License-Identifier: BSD-2-Clause */
/* The x86-64 calling convention over struct pt_regs of vmlinux.h. */
#ifndef APM_HOST_BPF_TRACING_H
#define APM_HOST_BPF_TRACING_H

#define PT_REGS_PARM1(ctx) ((ctx)->di)
#define PT_REGS_PARM2(ctx) ((ctx)->si)
#define PT_REGS_PARM3(ctx) ((ctx)->dx)
#define PT_REGS_PARM4(ctx) ((ctx)->cx)
#define PT_REGS_PARM5(ctx) ((ctx)->r8)
#define PT_REGS_PARM6(ctx) ((ctx)->r9)
#define PT_REGS_RC(ctx)	   ((ctx)->ax)
#define PT_REGS_SP(ctx)	   ((ctx)->sp)
#define PT_REGS_FP(ctx)	   ((ctx)->bp)
#define PT_REGS_IP(ctx)	   ((ctx)->ip)
#define PT_REGS_RET(ctx)   ((ctx)->sp)

#endif
